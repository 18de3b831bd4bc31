"""The commits of a range: along first parents, those that change the measured code."""

import pytest
import repositories

from bench.errors import BenchError
from bench.gate.bisect.commits import commit_range, describe, measured_tree


@pytest.fixture
def merged(tmp_path):
    """A branch of two commits merged into main, between changes of ``mlp`` and of other files."""
    made = repositories.make(tmp_path / "project", {"mlp/a.py": "0"})
    good = repositories.git(made, "rev-parse", "HEAD")
    repositories.git(made, "checkout", "--quiet", "-b", "branch")
    on_branch = [repositories.commit(made, {"mlp/b.py": str(n)}) for n in range(2)]
    repositories.git(made, "checkout", "--quiet", "main")
    repositories.commit(made, {"README": "words"})
    repositories.git(made, "merge", "--quiet", "--no-ff", "--message", "Merge branch", "branch")
    merge = repositories.git(made, "rev-parse", "HEAD")
    last = repositories.commit(made, {"mlp/a.py": "1"})
    repositories.commit(made, {"README": "more"})
    return made, good, merge, last, on_branch


def test_a_merge_is_one_commit_and_commits_without_a_change_of_code_are_none(merged):
    project, good, merge, last, on_branch = merged
    found = commit_range(good, "main", project)
    assert found.commits == (good, merge, last) and found.num_between == 4 and found.last == 2
    infos = describe(found.commits, project)
    assert infos[merge].is_merge and infos[merge].subject == "Merge branch" and not infos[last].is_merge
    assert infos[merge].parents[1] == on_branch[1]
    assert measured_tree("main", project) == measured_tree(last, project) != measured_tree(good, project)


def test_a_revision_of_another_branch_is_refused_with_the_common_ancestor(merged):
    project, good, _, _, _ = merged
    repositories.git(project, "checkout", "--quiet", "-b", "side", good)
    repositories.commit(project, {"mlp/c.py": "0"})
    with pytest.raises(BenchError, match=f"side is not among the ancestors of main: .*{good[:12]}"):
        commit_range("side", "main", project)
    repositories.git(project, "checkout", "--quiet", "--orphan", "island")
    repositories.commit(project, {"mlp/d.py": "0"})
    with pytest.raises(BenchError, match="they share no history"):
        commit_range("island", "main", project)


def test_a_project_in_a_subfolder_of_its_repository(tmp_path):
    made = repositories.make(tmp_path / "outer", {"inner/mlp/a.py": "0", "mlp/a.py": "0"})
    good = repositories.git(made, "rev-parse", "HEAD")
    repositories.commit(made, {"mlp/a.py": "1"})
    changed = repositories.commit(made, {"inner/mlp/a.py": "1"})
    assert commit_range(good, "main", made / "inner").commits == (good, changed)
    assert measured_tree(good, made / "inner") != measured_tree(changed, made / "inner")
