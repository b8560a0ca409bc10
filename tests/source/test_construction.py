"""Construction sites: subclasses, first record wins, objects that die."""

import gc
import sys
import textwrap
import weakref
from pathlib import Path
from typing import Any

from trema.source.construction import Sites, construction_site
from trema.source.frames import CallSite, call_site

LIBRARY = """\
class Layer:
    def __init__(self, units=1):
        sites.record(self, construction_site(self))
class Dense(Layer):
    def __init__(self, units):
        super().__init__(units)
"""


def build(tmp_path: Path, program: str) -> tuple[Sites, dict[str, Any]]:
    """Run a user's program over a small library whose frames count as a library's."""
    sites = Sites()
    names: dict[str, Any] = {
        "sites": sites,
        "construction_site": construction_site,
        "__name__": "library",
    }
    exec(compile(LIBRARY, "/elsewhere/site-packages/library.py", "exec"), names)
    path = tmp_path / "train.py"
    path.write_text(textwrap.dedent(program))
    exec(compile(path.read_text(), str(path), "exec"), names)
    return sites, names


def place(sites: Sites, obj: object) -> tuple[int, int | None]:
    location = sites.location(obj)
    assert location is not None
    return location.line, location.column


def test_subclasses_are_made_where_they_are_called(tmp_path: Path) -> None:
    sites, names = build(
        tmp_path,
        """\
        class Base(Layer):
            def __init__(self):
                super().__init__()
        class Net(Base):
            def __init__(self):
                self.prepare()
                self.fc1 = Dense(4)
                self.fc2 = Dense(
                    5)
            def prepare(self):
                super().__init__()
        def make():
            return Net()
        net = make()
        """,
    )
    net = names["net"]
    assert place(sites, net) == (13, 12)
    assert place(sites, net.fc1) == (7, 20)
    assert place(sites, net.fc2) == (8, 20)


def test_self_in_a_closure_is_still_self(tmp_path: Path) -> None:
    sites, names = build(
        tmp_path,
        """\
        class Net(Layer):
            def __init__(self):
                self.again = lambda: self
                super().__init__()
        net = Net()
        """,
    )
    assert place(sites, names["net"]) == (5, 7)


def test_the_first_record_wins() -> None:
    sites = Sites()
    layer = type("Layer", (), {})()
    first = call_site()
    sites.record(layer, first)
    sites.record(layer, call_site())
    assert sites.site(layer) is first


def test_record_without_a_site_takes_the_running_call() -> None:
    sites = Sites()
    layer = type("Layer", (), {})()
    sites.record(layer)
    line = sys._getframe().f_lineno - 1
    location = sites.location(layer)
    assert location is not None
    assert location.line == line


def test_unhashable_objects_and_those_without_weak_references() -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment] # as for objects that define only __eq__

        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared by identity only")

    sites = Sites()
    one = Unhashable()
    sites.record(one, call_site())
    sites.record(3, call_site())
    assert sites.site(one) is not None
    assert sites.site(3) is None


def test_a_dead_object_leaves_its_id_to_another() -> None:
    class Layer:
        pass

    sites = Sites()
    layer = Layer()
    sites.record(layer, call_site())
    gone = weakref.ref(layer)
    key = id(layer)
    del layer
    gc.collect()
    assert gone() is None
    assert len(sites) == 0
    heir = Layer()
    site = sites._records.pop(key)
    sites._records[id(heir)] = site  # as if the id had been given out again
    assert sites.site(heir) is None
    sites.record(heir, call_site())
    assert sites.site(heir) is not None


def test_dead_records_are_swept() -> None:
    class Layer:
        pass

    sites, site = Sites(), call_site()
    early, crowd, late = ([Layer() for _ in range(count)] for count in (10, 1000, 30))
    for layer in early + crowd:
        sites.record(layer, site)
    del crowd, layer
    for layer in late:  # the sweep comes at 1024 records
        sites.record(layer, site)
    assert len(sites._records) == len(sites) == 40
    assert isinstance(sites.site(early[0]), CallSite)
