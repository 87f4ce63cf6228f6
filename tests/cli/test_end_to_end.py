"""The commands one after the other, on a tiny text."""

import json
import shutil
import time
from pathlib import Path

import pytest

from engram.cli.main import main
from engram.errors import RunError
from engram.training.run_folder import RunFolder
from helpers import children

TEXT = "the quick brown fox jumps over the lazy dog. " * 20
SMALL = [
    "--hidden=8",
    "--epochs=1",
    "--lanes=4",
    "--steps=8",
    "--threads=1",
    "--valid=0.1",
    "--test=0.1",
]


def _train(folder, *more):
    data = folder / "[a] text.txt"
    data.parent.mkdir(parents=True, exist_ok=True)
    data.write_text(TEXT)
    argv = ["train", "language-model", "--data", str(data), "--run-dir", str(folder / "run")]
    return main([*argv, *SMALL, *more])


def _contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    assert _train(folder) == 0
    return folder


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a finished run, to do with as a test likes."""
    return Path(shutil.copytree(trained / "run", tmp_path / "run"))


def test_train(tmp_path, capsys):
    assert _train(tmp_path) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert "1 file, 900 characters; 30 different characters\n" in out
    assert "721 characters to train, 90 to validate, 91 to test" in out
    assert "finished after 22 updates (" in out
    assert "validation loss" in out
    assert "test part: loss " in out
    assert "bits per character" in out
    assert "Gradient through time" in out
    assert "Context used" in out
    assert f"engram sample {tmp_path}/run" in out
    names = set(_contents(tmp_path / "run"))
    assert {"command.txt", "config.yaml", "environment.json", "metrics.jsonl"} < names
    assert {"model/config.json", "model/model.safetensors", "model/preprocess.json"} < names
    assert {"records/result.json", "records/gradient-reach.json"} < names
    assert "checkpoints/last/state.safetensors" in names
    assert not any("tmp" in name for name in names)
    result = json.loads((tmp_path / "run" / "records" / "result.json").read_text())
    assert result["updates"] == 22


def test_without_validation_and_test(tmp_path, capsys):
    assert _train(tmp_path, "--valid", "0", "--test", "0") == 0
    out = capsys.readouterr().out
    assert "902 characters to train, 0 to validate, 0 to test" in out
    assert "best validation loss" not in out
    assert main(["info", str(tmp_path / "run")]) == 0
    assert "best validation" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "more",
    [
        ["--tokens", "bytes", "--tied", "--cell", "gru"],
        ["--tokens", "words", "--vocabulary", "5", "--steps", "4", "--reach", "8"],
        ["--tokens", "bpe", "--vocabulary", "260", "--reach", "3", "--cell", "elman"],
    ],
    ids=str,
)
def test_other_tokens(more, tmp_path, capsys):
    assert _train(tmp_path, *more) == 0
    assert main(["sample", str(tmp_path / "run"), "--length", "20"]) == 0
    assert main(["eval", str(tmp_path / "run"), "--data", str(tmp_path / "[a] text.txt")]) == 0
    assert capsys.readouterr().err == ""


def test_info(trained, capsys):
    assert main(["info", str(trained / "run")]) == 0
    facts = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines() if line)
    facts = {name: value.strip() for name, value in facts.items()}
    assert facts["state"] == "finished"
    assert facts["data"] == f"{trained}/[a] text.txt"
    assert facts["tokens"] == "characters"
    assert facts["model"] == "1 × 8 lstm, dropout 0.0"
    assert facts["updates"] == "22 (epoch 1)"
    assert "bits per character" in facts["test part"]
    assert "horizon" in facts["gradient"]
    assert facts["context used"].endswith("tokens")
    assert "1 threads" in facts["made with"]


def test_info_of_a_run_that_is_not_finished(run, capsys):
    shutil.rmtree(run / "records")
    assert main(["info", str(run)]) == 0
    out = capsys.readouterr().out
    assert "not finished: engram resume" in out
    assert "gradient " not in out


def test_eval(trained, tmp_path, capsys):
    (tmp_path / "other.txt").write_text("the lazy fox")
    assert main(["eval", str(trained / "run"), "--data", str(tmp_path / "other.txt")]) == 0
    out = capsys.readouterr().out
    assert "bits per character" in out
    assert "tokens 13  characters 12" in out
    assert "unknown" not in out


def test_eval_with_unknown_characters(trained, tmp_path, capsys):
    (tmp_path / "other.txt").write_text("THE lazy fox")
    assert main(["eval", str(trained / "run"), "--data", str(tmp_path / "other.txt")]) == 0
    assert "unknown 3  unknown share 0.2308" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("raw", "flags", "text"),
    [
        (None, [], "does not exist"),
        (b"", [], "is empty; give a file that contains text"),
        (b"fox \xff", [], "byte offset 4 (0xff) is not utf-8; give --encoding"),
        (b"fox \xff", ["--encoding", "utf-9"], "unknown encoding: utf-9"),
        (
            b"fox \xff",
            ["--errors", "skip"],
            "errors is 'skip': input should be 'strict'",
        ),
    ],
)
def test_eval_of_what_cannot_be_read(trained, tmp_path, raw, flags, text, capsys):
    path = tmp_path / "other.txt"
    if raw is not None:
        path.write_bytes(raw)
    assert main(["eval", str(trained / "run"), "--data", str(path), *flags]) == 2
    assert text in capsys.readouterr().err


def test_eval_in_another_encoding(trained, tmp_path, capsys):
    (tmp_path / "other.txt").write_bytes(b"fox \xff")
    argv = ["eval", str(trained / "run"), "--data", str(tmp_path / "other.txt")]
    assert main([*argv, "--encoding", "latin-1"]) == 0
    assert main([*argv, "--errors", "ignore"]) == 0
    assert capsys.readouterr().err == ""


def _sample(trained, capsys, *more):
    assert main(["sample", str(trained / "run"), "--length", "40", *more]) == 0
    return capsys.readouterr().out


def test_sample(trained, capsys):
    first = _sample(trained, capsys, "--prompt", "the ", "--seed", "3")
    assert first.startswith("the ")
    assert first.endswith("\n")
    assert 4 < len(first) <= 45
    assert _sample(trained, capsys, "--prompt", "the ", "--seed", "3") == first
    assert _sample(trained, capsys, "--prompt", "the ", "--seed", "4") != first


def test_samples(trained, capsys):
    shown = _sample(trained, capsys, "--samples", "2", "--top-k", "3", "--top-p", "0.9")
    assert shown.startswith("── sample 1 ──\n")
    assert "\n── sample 2 ──\n" in shown


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--prompt", "The Fox"], "not in the model's vocabulary: 'T', 'F'; leave them out"),
        (["--prompt", "\udcff"], r"vocabulary: '\udcff'"),
        (
            ["--length", "0", "--top-p", "7"],
            "length is '0': input should be greater than",
        ),
    ],
)
def test_sample_of_what_cannot_be(trained, flags, text, capsys):
    assert main(["sample", str(trained / "run"), *flags]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err


def test_diagnose(trained, run, tmp_path, capsys):
    shutil.rmtree(run / "records")
    (tmp_path / "other.txt").write_text(TEXT[:200])
    assert main(["diagnose", str(run), "--data", str(tmp_path / "other.txt")]) == 0
    assert "Gradient through time" in capsys.readouterr().out
    assert not (run / "records").exists()
    assert main(["diagnose", str(run)]) == 0
    assert "Context used" in capsys.readouterr().out
    for name in ("gradient-reach.json", "context-use.json"):
        again = json.loads((run / "records" / name).read_text())
        assert again == json.loads((trained / "run" / "records" / name).read_text())


def test_diagnose_of_too_little(trained, tmp_path, capsys):
    (tmp_path / "other.txt").write_text("t")
    assert main(["diagnose", str(trained / "run"), "--data", str(tmp_path / "other.txt")]) in (0, 2)
    assert "Traceback" not in capsys.readouterr().err


def test_an_existing_run_is_refused_then_replaced(run, tmp_path, capsys):
    before = _contents(run)
    assert _train(tmp_path) == 1
    assert capsys.readouterr().err == (
        f"engram: {run} exists and is not empty; continue with 'engram resume', choose another "
        "--run-dir, or replace a run with --overwrite\n"
    )
    assert _contents(run) == before
    assert _train(tmp_path, "--overwrite", "--hidden", "4") == 0
    assert "hidden: 4\n" in (run / "config.yaml").read_text()


def test_a_folder_that_is_no_run_is_left_alone(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    assert _train(tmp_path, "--overwrite") == 1
    assert capsys.readouterr().err == (
        f"engram: {tmp_path}/run exists and is not a run folder (its config.yaml or "
        "environment.json is missing or not Engram's), so --overwrite leaves it alone; choose "
        "another --run-dir\n"
    )
    assert _contents(tmp_path / "run") == {"thesis.txt": b"years of work"}


def test_a_project_with_a_config_of_its_own_is_left_alone(tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("name: somebody's project\n")
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    before = _contents(tmp_path / "run")
    assert _train(tmp_path, "--overwrite") == 1
    assert "is not a run folder" in capsys.readouterr().err
    assert _contents(tmp_path / "run") == before


def test_overwriting_removes_what_a_training_wrote_alone(run, tmp_path):
    (run / "thesis.txt").write_text("years of work")
    assert _train(tmp_path, "--overwrite", "--hidden", "4") == 0
    assert (run / "thesis.txt").read_text() == "years of work"
    assert not list(run.glob(".replaced-*"))


def test_a_folder_whose_making_was_killed_is_taken(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "command.txt").write_text("engram train\n")
    (tmp_path / "run" / ".environment.json.7.tmp").write_text("{")
    assert _train(tmp_path) == 0


@pytest.mark.parametrize("read", ["model", ".", "records/notes.txt"])
def test_what_a_training_reads_is_not_replaced(run, tmp_path, read):
    before = _contents(run)
    with pytest.raises(RunError, match="which --overwrite would remove"):
        RunFolder.create(run, {}, ["test"], overwrite=True, reads=[run / read])
    assert _contents(run) == before


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "run").mkdir()
    assert _train(tmp_path) == 0


FAULTS = [
    (["--lanes", "4000"], "4000 lanes of 8 steps need 32,001: give more text, or use --lanes 90"),
    (["--tied", "--embedding", "3"], "tied shares weights"),
    (["--valid", "0.5", "--test", "0.5"], "leave no data to train on"),
    (["--valid", "0.0001"], "the validation set has 0 tokens and needs at least 2"),
    (["--tokens", "bpe", "--vocabulary", "30"], "byte pairs start from 257 entries"),
    (["--encoding", "utf-32"], "is not text in utf-32"),
    (["--rate", "inf", "--hiden", "2"], "'--hiden' is not a flag"),
]


@pytest.mark.parametrize(("flags", "text"), FAULTS, ids=str)
def test_a_fault_makes_no_folder_and_replaces_none(flags, text, run, tmp_path, capsys):
    before = _contents(run)
    assert _train(tmp_path, *flags, "--overwrite") == 2
    assert text in capsys.readouterr().err
    assert _contents(run) == before
    assert _train(tmp_path / "new", *flags) == 2
    assert not (tmp_path / "new" / "run").exists()


def test_a_run_dir_below_a_file(tmp_path, capsys):
    (tmp_path / "run").write_text("a file")
    assert _train(tmp_path, "--run-dir", str(tmp_path / "run" / "below")) == 1
    assert f"cannot write {tmp_path}/run/below: Not a directory" in capsys.readouterr().err


def test_resume_of_a_finished_run(run, capsys):
    before = _contents(run)
    assert main(["resume", str(run)]) == 0
    assert capsys.readouterr().out == f"{run} is finished; see it with:\n  engram info {run}\n"
    assert _contents(run) == before


def test_resume_measures_what_is_missing(trained, run, capsys):
    shutil.rmtree(run / "records")
    assert main(["resume", str(run)]) == 0
    assert "finished after 22 updates" in capsys.readouterr().out
    for name in ("result", "gradient-reach", "context-use"):
        path = Path("records", f"{name}.json")
        assert (run / path).read_bytes() == (trained / "run" / path).read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("model/model.safetensors", b"short", "model.safetensors is damaged"),
        ("model/model.safetensors", None, "contains no weights yet"),
        ("model/config.json", b"{", "config.json is damaged"),
        ("model/config.json", None, "contains no model (config.json is missing)"),
        ("model/preprocess.json", b"{}", "preprocess.json was changed"),
    ],
)
def test_damaged_model(run, name, content, text, capsys):
    (run / name).unlink()
    if content is not None:
        (run / name).write_bytes(content)
    assert main(["sample", str(run)]) == 1
    assert text in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "text"),
    [("hidden: [", "config.yaml cannot be read"), ("", "config.yaml contains no settings")],
)
def test_damaged_config(run, content, text, capsys):
    (run / "config.yaml").write_text(content)
    assert main(["info", str(run)]) == 1
    assert text in capsys.readouterr().err


def test_a_run_dir_of_its_own_name(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "strftime", lambda form: "now")
    (tmp_path / "text.txt").write_text(TEXT)
    assert main(["train", "language-model", "--data", "text.txt", *SMALL]) == 0
    assert "engram info runs/language-model-now" in capsys.readouterr().out
    # the path of the data holds from elsewhere too
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["diagnose", str(tmp_path / "runs" / "language-model-now")]) == 0


def test_train_without_a_task(capsys):
    assert main(["train"]) == 0
    assert "language-model" in capsys.readouterr().out


def test_a_run_that_is_held_is_neither_resumed_nor_replaced(run, tmp_path, capsys):
    (run / "records" / "result.json").unlink()
    code = (
        "import time; from pathlib import Path; "
        "from engram.training.run_folder import RunFolder\n"
        f"with RunFolder(Path({str(run)!r})).held():\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    holder = children.python(code, tmp_path / "printed")
    while (tmp_path / "printed").read_text() != "held\n":
        assert holder.is_alive()
        time.sleep(0.01)
    before = _contents(run)
    assert main(["resume", str(run)]) == 1
    assert "another process is training" in capsys.readouterr().err
    assert _train(tmp_path, "--overwrite") == 1
    assert "another process is training" in capsys.readouterr().err
    assert _contents(run) == before
    holder.kill()  # the lock dies with it
    holder.join()
    assert main(["resume", str(run)]) == 0
