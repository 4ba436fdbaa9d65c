"""A service of scripted instances (tests/tools/origin) on nodes, with releases to go between."""
from holdfast import ORIGIN


class Fleet:
    """Writes the folders of releases and makes the configuration of one service, `app`."""

    def __init__(self, folder):
        self.folder = folder
        self.journal = folder / "journal"
        self.versions = {}

    def release(self, version, **options):
        """Adds a version; the options are origin's, with _ for -."""
        place = self.folder / "releases" / version
        place.mkdir(parents=True, exist_ok=True)
        lines = [f"{name.replace('_', '-')} {value}\n" for name, value in options.items()]
        (place / "origin.conf").write_text("".join(lines) or "fail 0\n")
        self.versions[version] = {"directory": str(place)}
        return version

    def config(self, version, nodes="ab", **service):
        app = {
            "route": [{"path": "/"}],
            "command": [str(ORIGIN), "--port", "{port}", "--version", "{version}", "--name", "{node}",
                        "--journal", str(self.journal)],
            "version": version,
            "versions": self.versions,
            "replicas": {"min": 2},
            "health": {"path": "/-/ready", "interval": "200ms", "timeout": "1s", "rise": 1, "fall": 3},
            "release": {"smoke": [{"get": "/smoke/1", "expect": 200}], "bake": "300ms",
                        "weight": "10%"},
        }
        return {"nodes": {name: {} for name in nodes}, "services": {"app": {**app, **service}}}

    def executed(self):
        """The ids of all POSTs that instances have executed, each as often as it was."""
        return self.journal.read_text().split() if self.journal.exists() else []


def no_request_executed_twice(fleet):
    executed = fleet.executed()
    twice = len(executed) - len(set(executed))
    assert twice == 0, f"{twice} of {len(executed)} POSTs were executed twice"
    return len(executed)
