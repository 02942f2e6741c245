"""`python -m vimu`: the same as `vimu`."""

from vimu.cli import app

if __name__ == "__main__":
    app(prog_name="vimu")
