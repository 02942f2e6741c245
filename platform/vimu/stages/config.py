"""The configuration of a run: one YAML file for all its stages."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator, model_validator

from vimu.clips.filters import FilterSettings
from vimu.imu.placement_error import GREATEST_M
from vimu.imu.presets import Order, placement_names
from vimu.models.settings import NetworkSettings
from vimu.runtime.config import EachOnce, RateHz, Section, Seed
from vimu.runtime.errors import UserError
from vimu.runtime.resources import ResourceSettings
from vimu.runtime.session import RaySettings
from vimu.runtime.storage import Location, LocationSetting
from vimu.semantics.align_settings import AlignSettings
from vimu.semantics.settings import SemanticsSettings
from vimu.training.settings import FinetuneSettings, PretrainSettings
from vimu.tuning.experiments import CrossvalSettings
from vimu.windows.settings import SplitSettings, WindowSettings
from vimu.windows.upsample import UpsampleSettings


class ArchiveInput(Section):
    """A mocap archive to synthesize from."""

    archive: str
    """Name in `configs/archives/`, or a YAML path."""
    root: Path
    """Its folder."""
    body: Path | None = None
    """SMPL, SMPL+H or SMPL-X model file, or a folder with one a gender, for archives of SMPL parameters."""
    annotations: tuple[Path, ...] = ()
    """Files of sentences about takes (KIT-ML's `annotations.json`, CMU's index text), for the label rules."""
    synthetic: bool = False
    """True for generated motions: every result made from them says so."""


class SynthesizeSettings(Section):
    """Mocap archives -> labelled virtual recordings."""

    inputs: Annotated[tuple[ArchiveInput, ...], Field(min_length=1)]
    placements: EachOnce[str] = ("left_wrist", "right_thigh", "head")
    """Where sensors sit: names of `configs/placements.yaml` or `placements_file`, or a preset's name for its sensors.
    The default is the seed paper's."""
    placements_file: Path | None = None
    """YAML of placements beside the shipped ones."""
    placement_error_m: Annotated[float, Field(ge=0, le=GREATEST_M)] = 0.0
    """Each sensor sits beside its place, by up to so much along each axis of its segment, drawn once a clip."""
    seed: Seed = 0
    """Of what is drawn: a clip's draw depends on it, on what the take holds and on the sensor."""
    rate_hz: RateHz = 60.0
    preset: str = "dip"
    """How acceleration is taken: name in `configs/presets.yaml`, or a YAML path."""
    smoothing_s: NonNegativeFloat | None = None
    """Half-width of the second difference in place of the preset's; 0 is one frame."""
    order: Order | None = None
    """Difference or decimation first, in place of the preset's."""
    target: Literal["category", "content"] = "category"
    """`category`: label by the rules; `content`: by the archive's own names of its activities."""
    label_rules: str = "daily12"
    """Name in `configs/labels/`, or a YAML path."""
    decisions: Path | None = None
    """CSV of what people decided on takes (`vimu.clips.decisions`); None leaves all to the rules."""
    task_mb: PositiveFloat = 64.0
    """Files go to tasks by bytes, about so many a task."""

    @field_validator("placements", mode="before")
    @classmethod
    def _of_a_preset(cls, placements: object) -> object:
        return placement_names(placements) if isinstance(placements, str) else placements


class RecordingInput(Section):
    """A set of real recordings."""

    recordings: str
    """Name in `configs/recordings/`, or a YAML path."""
    root: Path
    """Its folder."""
    synthetic: bool = False
    """True for generated recordings: every result made from them says so."""


class PrepareSettings(Section):
    """Clips and recordings -> windows with splits."""

    real: RecordingInput
    clips: LocationSetting | None = None
    """Published `synthesize` folder of another run, to cut its clips in another way; None takes this run's."""
    windows: WindowSettings = WindowSettings()
    virtual_split: SplitSettings = SplitSettings()
    real_split: SplitSettings = SplitSettings()
    mounting: Literal["as_worn", "estimated"] = "as_worn"
    """`estimated`: each wearer's sensors are turned into their segments' axes, by which way is up while the wearer
    stands or walks. One upright trial of each session tells it, of test people too: their calibration. It is left out
    (`calibration`): it neither trains nor tests."""
    upsample: UpsampleSettings | None = None
    """Copies of the virtual training clips of rare activities, faster and slower; `{}` takes the defaults, None makes
    none."""
    device: str | None = None
    """Name in `configs/devices/`, or a YAML path: virtual clips pass through these devices, so that both sides look
    through the same. None leaves them ideal."""
    device_seed: Seed = 0
    """Of what the devices draw: a clip's readings depend on it, the clip and the sensor."""
    filters: FilterSettings | None = None
    """Drops clips that do not move like their class; `{}` are the defaults, null keeps all clips."""


class TuneSettings(Section):
    """Search of settings, on validation subjects."""

    study: str = "settings"
    """What is searched: name of a `kind: settings` file in `configs/studies/`, or a YAML path."""
    n_trials: PositiveInt = 12
    """Trials that failed or were ended early count."""
    max_concurrent: PositiveInt = 2
    pretrain_epochs: PositiveInt = 8
    """Pre-training is cut short in a trial: it ranks settings, the final run trains in full."""
    seed: Seed = 0


class EvaluateSettings(Section):
    """The final tables."""

    n_trees: PositiveInt = 300
    n_resamples: PositiveInt = 1000
    """Bootstrap draws over subjects."""
    published: str | None = None
    """Name in `configs/published/`, or a YAML path: figures of a paper to print ours beside."""


class ExportSettings(Section):
    """Which model becomes the recogniser that others use."""

    start: Literal["finetuned", "scratch"] = "finetuned"
    seed: Seed | None = None
    """None: that seed of `finetune.seeds` whose model validates best."""


class Config(Section):
    """A run."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    """Results go to `runs_dir/name/STAGE`."""
    runs_dir: LocationSetting = Path("runs")
    """A folder, or a URI that fsspec opens, e.g. `s3://bucket/runs`."""
    synthesize: SynthesizeSettings | None = None
    """May be left out where `prepare.clips` names the clips of another run."""
    prepare: PrepareSettings | None = None
    """May be left out where only clips are wanted."""
    pretrain: PretrainSettings = PretrainSettings()
    tune: TuneSettings | None = None
    """None leaves tuning out; else the winner's settings feed pre-training and fine-tuning."""
    finetune: FinetuneSettings = FinetuneSettings()
    crossval: CrossvalSettings | None = None
    """Experiments on all people; None leaves them out."""
    evaluate: EvaluateSettings = EvaluateSettings()
    semantics: SemanticsSettings = SemanticsSettings()
    align: AlignSettings | None = None
    """Alignment of signals with words; where it is given, `evaluate` tests that."""
    export: ExportSettings | None = ExportSettings()
    """None leaves it out of the pipeline; it needs the packages of the extra `serving`."""
    baselines: tuple[NetworkSettings, ...] = ()
    """Further networks, by name or with a shape, pre-trained, fine-tuned and evaluated as `pretrain.model` is. The
    random forest is always there."""
    resources: ResourceSettings = ResourceSettings()
    ray: RaySettings = RaySettings()

    @field_validator("baselines", mode="before")
    @classmethod
    def _by_name(cls, baselines: object) -> object:
        """`[deepconvlstm]` is `[{kind: deepconvlstm}]`."""
        if not isinstance(baselines, list | tuple):
            return baselines
        return [{"kind": b} if isinstance(b, str) else b for b in baselines if b != "random_forest"]

    @model_validator(mode="after")
    def _kinds_once(self) -> "Config":
        kinds = [self.pretrain.model.kind, *(shape.kind for shape in self.baselines)]
        if len(set(kinds)) < len(kinds):
            raise ValueError(
                f"`baselines` must be other networks than `pretrain.model`, each once, but with it are {kinds}"
            )
        return self

    @property
    def run_dir(self) -> Location:
        """Folder of the run."""
        return self.runs_dir / self.name

    @property
    def synthesis(self) -> SynthesizeSettings:
        """The `synthesize` section, for stages that cannot do without. Raises UserError."""
        if self.synthesize is None:
            raise UserError("`synthesize` must be a section of the configuration, but is missing.")
        return self.synthesize

    @property
    def preparation(self) -> PrepareSettings:
        """The `prepare` section, for stages that cannot do without. Raises UserError."""
        if self.prepare is None:
            raise UserError("`prepare` must be a section of the configuration, but is missing.")
        return self.prepare
