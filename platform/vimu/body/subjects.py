"""Which body a subject gets: the model of the subject's gender, else the neutral one."""

from collections.abc import Sequence
from pathlib import Path

from vimu.body.kernel import CompiledSmplBody
from vimu.body.models import load_smpl_model, model_files
from vimu.body.placement import Placement
from vimu.contracts import Gender, Reason, Rejection, SmplMotion


class Bodies:
    """The models at one path, cut down to some placements; each is read when it is first asked for."""

    def __init__(self, body: Path | str, placements: Sequence[Placement]) -> None:
        """`body` is a model file, which then serves everyone, or a folder with one a gender. Raises UserError."""
        self._folder = Path(body)
        self._placements = tuple(placements)
        self.files = model_files(body)
        self._loaded: dict[Gender | None, CompiledSmplBody] = {}

    def load_all(self) -> None:
        """Read every model now: says before a job starts what is wrong with one. Raises UserError."""
        for gender in self.files:
            self._load(gender)

    def of(self, motion: SmplMotion) -> tuple[CompiledSmplBody, str]:
        """The body for a take and its file's name, for the clip's row. Raises Rejection: there is none (`no_body`)."""
        options: tuple[Gender | None, ...] = (None, motion.gender, "neutral")
        for gender in options:
            if gender in self.files:
                return self._load(gender), self._name(gender)
        detail = f"`{self._folder}` has no model for {motion.gender} subjects, and no neutral one"
        raise Rejection(motion.take.sequence, Reason.NO_BODY, detail)

    def _name(self, gender: Gender | None) -> str:
        path = self.files[gender]
        return path.name if gender is None else path.relative_to(self._folder).as_posix()

    def _load(self, gender: Gender | None) -> CompiledSmplBody:
        if gender not in self._loaded:
            model = load_smpl_model(self.files[gender])
            self._loaded[gender] = CompiledSmplBody(model, self._placements)
        return self._loaded[gender]
