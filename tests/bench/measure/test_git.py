"""git through ``bench.measure.git``: repository, hooks and settings of the caller change nothing."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import repositories
from repositories import git

from bench.measure.git import GitError, State, commit_of, export, state_of
from bench.measure.git import git as our_git

FIRST, SECOND = {"mlp/a.py": "first\n"}, {"mlp/a.py": "second\n", "mlp/new.py": "new\n"}


@pytest.fixture
def project(tmp_path):
    """Two commits on main."""
    made = repositories.make(tmp_path / "project", FIRST)
    repositories.commit(made, SECOND)
    return made


def exported(project, revision, folder):
    return repositories.contents(export(project, commit_of(revision, project), folder))


def test_outside_a_repository_there_is_no_commit_and_nothing_to_say(tmp_path):
    assert state_of(tmp_path) == State(None, None, reason=None)


def test_a_project_of_which_nothing_is_committed_has_no_commit_and_says_so(tmp_path):
    repositories.change(tmp_path, FIRST)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "--all")
    assert state_of(tmp_path).reason == f"nothing is committed in {tmp_path} yet."


def test_a_changed_file_makes_the_commit_dirty_and_a_new_one_does_not(project):
    repositories.change(project, {"results": "1"})
    assert state_of(project).commit == git(project, "rev-parse", "HEAD")
    assert state_of(project).dirty is False
    repositories.change(project, FIRST)
    assert state_of(project).dirty is True


def test_a_project_that_the_repository_around_it_does_not_track_has_no_commit(project, tmp_path):
    outer = repositories.make(tmp_path / "outer", {"readme": "other"})
    installed = outer / ".venv" / "lib" / "site-packages"
    shutil.copytree(project, installed, ignore=lambda *_: [".git"])
    assert state_of(installed).commit is None
    with pytest.raises(GitError, match="does not track it, so it has no revision 'HEAD'"):
        commit_of("HEAD", installed)


@pytest.mark.parametrize("linked", [False, True])
def test_the_variables_that_git_gives_its_hooks_reach_no_call(project, tmp_path, monkeypatch, linked):
    if linked:
        git(project, "worktree", "add", "--quiet", tmp_path / "linked", "-b", "topic")
    here = tmp_path / "linked" if linked else project
    repositories.change(here, {"mlp/a.py": "third\n"})
    hook = repositories.make(tmp_path / "elsewhere", {"x": "x"})
    before = repositories.contents(hook)
    monkeypatch.setenv("GIT_DIR", str(hook / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(hook))
    monkeypatch.setenv("GIT_INDEX_FILE", str(hook / ".git" / "index"))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", "'core.worktree'='/nowhere'")
    assert state_of(here).dirty is True
    assert list(exported(here, "HEAD~1", tmp_path / "out").values()) == [b"first\n"]
    assert repositories.contents(hook) == before


def test_a_commit_whose_hook_exports_a_revision_holds_what_was_to_be_committed(project, tmp_path):
    script = (
        f"import sys; sys.path.insert(0, {os.getcwd()!r})\nfrom pathlib import Path\nimport bench.measure.git as g\n"
    )
    script += f"g.export(Path('.'), g.commit_of('HEAD~1', Path('.')), Path({str(tmp_path / 'out')!r}))\n"
    hook = project / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nexec {sys.executable} - <<'END'\n{script}END\n")
    hook.chmod(0o755)
    repositories.change(project, {"mlp/a.py": "third\n"})
    git(project, "commit", "--quiet", "-a", "-m", "third")
    assert (tmp_path / "out" / "mlp" / "a.py").read_text() == "first\n"
    assert git(project, "show", "--format=", "--name-only", "HEAD") == "mlp/a.py"
    assert git(project, "show", "HEAD:mlp/a.py") == "third"


def test_an_export_leaves_the_repository_as_it_was(project, tmp_path):
    git(project, "config", "core.splitIndex", "true")
    git(project, "config", "gc.auto", "1")
    before = repositories.contents(project)
    exported(project, "HEAD~1", tmp_path / "out")
    assert state_of(project).dirty is False
    assert repositories.contents(project) == before


@pytest.mark.parametrize("where", ["hooks", "elsewhere"])
def test_hooks_do_not_run(project, tmp_path, where):
    folder = project / ".git" / "hooks" if where == "hooks" else tmp_path / where
    folder.mkdir(exist_ok=True)
    for name in ("post-checkout", "post-index-change", "reference-transaction"):
        (folder / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\necho x > mlp/a.py\nexit 1\n")
        (folder / name).chmod(0o755)
    if where == "elsewhere":
        git(project, "config", "core.hooksPath", folder)
    git(project, "config", "core.fsmonitor", str(folder / "post-checkout"))
    assert len(exported(project, "HEAD", tmp_path / "out")) == 2
    assert state_of(project).dirty is False
    assert not (tmp_path / "ran").exists()


def test_a_sparse_checkout_is_clean_and_its_revisions_are_exported_whole(project, tmp_path):
    git(project, "sparse-checkout", "set", "--no-cone", "mlp/a.py")
    assert not (project / "mlp" / "new.py").exists()
    assert state_of(project).dirty is False
    assert len(exported(project, "HEAD", tmp_path / "out")) == 2


def test_a_partial_clone_fetches_what_an_export_needs(project, tmp_path):
    git(project, "config", "uploadpack.allowFilter", "true")
    part = repositories.clone(project, tmp_path / "part", "--filter=blob:none")
    assert list(exported(part, "HEAD~1", tmp_path / "out").values()) == [b"first\n"]


def test_large_files_are_left_as_pointers_where_git_lfs_is_missing(project, tmp_path):
    repositories.commit(project, {".gitattributes": "*.bin filter=lfs\n", "data.bin": "version https://git-lfs\n"})
    git(project, "config", "filter.lfs.smudge", "git-lfs-is-not-there smudge -- %f")
    git(project, "config", "filter.lfs.required", "true")
    exported(project, "HEAD", tmp_path / "out")
    assert (tmp_path / "out" / "data.bin").read_text() == "version https://git-lfs\n"


def test_line_ends_are_those_of_the_working_tree(project, tmp_path):
    git(project, "config", "core.autocrlf", "true")
    assert b"first\r\n" in exported(project, "HEAD~1", tmp_path / "out").values()


def test_submodules_and_links_do_not_stop_an_export(project, tmp_path):
    other = repositories.make(tmp_path / "other", {"x": "x"})
    git(project, "submodule", "--quiet", "add", f"file://{other}", "third-party")
    (project / "link").symlink_to("mlp")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "-m", "submodule")
    exported(project, "HEAD", tmp_path / "out")
    assert (tmp_path / "out" / "link").is_symlink()


def test_of_a_project_in_a_subfolder_its_own_files_are_exported_and_watched(tmp_path):
    outer = repositories.make(tmp_path / "outer", {"pkg/mlp/a.py": "first\n", "other": "x"})
    assert exported(outer / "pkg", "HEAD", tmp_path / "out") == {Path("mlp/a.py"): b"first\n"}
    repositories.change(outer, {"other": "y"})
    assert state_of(outer / "pkg").dirty is False
    repositories.change(outer, {"pkg/mlp/a.py": "y"})
    assert state_of(outer / "pkg").dirty is True


def test_a_worktree_of_a_bare_repository_is_a_project(project, tmp_path):
    bare = repositories.clone(project, tmp_path / "bare.git", "--bare")
    git(bare, "worktree", "add", "--quiet", tmp_path / "tree", "main")
    assert len(exported(tmp_path / "tree", "main", tmp_path / "out")) == 2


@pytest.mark.parametrize(
    ("options", "revision"),
    [
        (["--depth=1", "--branch=feature"], "main"),
        (["--depth=1", "--branch=feature"], "HEAD~1"),
        (["--depth=1", "--branch=v1"], "main"),
        (["--single-branch", "--branch=feature"], "main"),
        (["--single-branch", "--branch=feature", "--no-tags"], "v1"),
        (["--depth=1", "--branch=feature", "--origin=upstream"], "main~1"),
    ],
)
def test_what_a_clone_lacks_is_brought_by_the_command_of_the_sentence(project, tmp_path, options, revision):
    git(project, "tag", "v1", "main")
    git(project, "checkout", "--quiet", "-b", "feature", "HEAD~1")
    repositories.commit(project, {"mlp/b.py": "feature"})
    here = repositories.clone(project, tmp_path / "clone", *options)
    with pytest.raises(GitError, match=f"unknown revision '{revision}'") as raised:
        commit_of(revision, here)
    command = re.search("git fetch .*", str(raised.value))[0]
    subprocess.run(command, shell=True, cwd=here, check=True, capture_output=True)
    assert len(commit_of(revision, here)) == 40


@pytest.mark.parametrize("cloned", [False, True])
def test_where_the_default_branch_has_another_name_it_is_offered(tmp_path, cloned):
    project = repositories.make(tmp_path / "project", FIRST, branch="trunk")
    here = repositories.clone(project, tmp_path / "clone") if cloned else project
    with pytest.raises(GitError, match="unknown revision 'main'") as raised:
        commit_of("main", here)
    offered = re.search(r"e\.g\. (\S+?)[;.]", str(raised.value))[1]
    assert offered == ("origin/trunk" if cloned else "trunk")
    assert len(commit_of(offered, here)) == 40


def test_a_branch_that_only_the_remote_has_is_found_there(project, tmp_path):
    git(project, "branch", "topic", "HEAD~1")
    here = repositories.clone(project, tmp_path / "clone", "--origin=upstream")
    assert commit_of("topic", here) == git(project, "rev-parse", "topic")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give a checkout to another user")
def test_a_checkout_of_another_user_is_named_with_the_remedy_of_git(project):
    os.chown(project, 12345, 12345)
    os.chown(project / ".git", 12345, 12345)
    state = state_of(project)
    assert state.commit is None
    assert "which another user owns" in state.reason
    assert f"git config --global --add safe.directory {project}" in state.reason


def test_a_git_that_is_missing_is_one_sentence(project, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(GitError, match=r"git cannot be run .*: install it"):
        commit_of("main", project)
    assert "git cannot be run" in state_of(project).reason


def test_a_git_that_hangs_is_ended_with_all_that_it_started(project, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "git"
    fake.write_text("#!/bin/sh\nsleep 60 &\nsleep 60\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    with pytest.raises(GitError, match=r"git status did not end within 0\.2 s"):
        our_git(project, "status", limit_seconds=0.2)


def test_head_is_the_local_one_and_no_remotes(project, tmp_path):
    here = repositories.clone(project, tmp_path / "clone")
    git(here, "checkout", "--quiet", "--orphan", "new")
    with pytest.raises(GitError, match="unknown revision 'HEAD'"):
        commit_of("HEAD", here)
