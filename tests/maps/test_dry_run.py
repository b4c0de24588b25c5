"""What the preview of an import names: whom it would touch, from where to where."""

from __future__ import annotations

from tests.maps.conftest import People


def test_a_dry_run_names_whom_it_would_touch(people: People) -> None:
    people.load("a@x.test,alpha\nb@x.test,alpha\nc@x.test,beta\nd@x.test,beta\n")
    report = people.load("Z@x.test,alpha\na@x.test,beta\nb@x.test,beta\nc@x.test,alpha\n", "merge", dry_run=True)
    assert report["first"] == [[1, "Z@x.test", "alpha"], [2, "a@x.test", "beta"], [3, "b@x.test", "beta"]]
    assert report["moves"] == [["alpha", "beta", 2], ["beta", "alpha", 1]]
    assert report["examples"] == {
        "new": [["z@x.test", "alpha"]],
        "moved": [["a@x.test", "alpha", "beta"], ["b@x.test", "alpha", "beta"], ["c@x.test", "beta", "alpha"]],
        "gone": [["d@x.test", "beta"]],
    }
    assert (report["absent"], report["gone"]) == (1, 0)
    refused = people.refused("e@x.test,alpha\nno address,alpha\n", "replace", dry_run=True)
    assert (refused.value["absent"], refused.value["examples"]["new"]) == (4, [["e@x.test", "alpha"]])


def test_a_dry_run_names_a_hundred_of_each_at_most(people: People) -> None:
    people.load("".join(f"u{n:03}@x.test,alpha\n" for n in range(150)))
    report = people.load("".join(f"u{n:03}@x.test,beta\n" for n in range(120)), "replace", dry_run=True)
    assert (report["moved"], len(report["examples"]["moved"]), report["gone"]) == (120, 100, 30)
    assert report["examples"]["moved"][99] == ["u099@x.test", "alpha", "beta"]
