"""`augment` alone, inside `launch` and `convert`, interrupted, and through S3."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import boto3
import pytest
from PIL import Image

from gt_workflow import config, wiring
from gt_workflow.adapters.scenes.draw import write_demo
from gt_workflow.core.split import side
from gt_workflow.core.variants import SEED_TEN
from gt_workflow.workflow.augment import AugmentReceipt, families

SIMULATED = ("--workers", "simulated", "--truth", "demo/truth.manifest", "--labels", "degu,wheel")
TEN = "flip-lr,flip-tb,rotate-90,rotate-15,rotate-135"


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "demo"
    write_demo(folder, count=6, seed=0)
    return folder


@pytest.fixture
def demo(cli, scenes):
    """Six scenes and their labels, in the current folder; returns the runner of commands."""
    shutil.copytree(scenes, "demo")
    photographs = Path("demo/photographs").absolute()
    written = []
    for line in lines("demo/truth.manifest"):
        whole = {
            "source-ref": str(photographs / line["source-ref"]),
            "boxes": line["truth"],
            "boxes-metadata": line["truth-metadata"],
        }
        written.append(json.dumps(whole) + "\n")
    Path("labelled.manifest").write_text("".join(written))
    return cli


def lines(path):
    return [json.loads(line) for line in Path(path).read_bytes().splitlines()]


def files(folder):
    folder = Path(folder)
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_folder_before_labeling_keeps_its_names_and_a_second_run_does_nothing(demo):
    run = ("augment", "demo/photographs", "--out", "varied", "--json")
    status, out, err = demo(*run)
    assert status == 0, err
    told = json.loads(out)
    assert told["counts"]["variants"] == 60
    assert not told["unchanged"]
    assert "making variants: 60 of 60" in err
    written = lines("varied/augmented.manifest")
    assert len(written) == 66
    families = {}
    for line in written:
        families.setdefault(line["origin"], []).append(line)
    for family in families.values():
        assert [line["variant"]["name"] for line in family[1:]] == list(SEED_TEN)
        assert len({line["photograph"] for line in family}) == 1
    before = files("varied")
    assert not any(name.startswith(("part-", "unfinished")) for name in before)
    status, out, _ = demo(*run)
    assert json.loads(out)["unchanged"]
    assert files("varied") == before


def test_what_was_cleared_away_is_made_again(demo):
    run = ("augment", "demo/photographs", "--out", "varied", "--variants", "flip-lr", "--json")
    demo(*run)
    before = files("varied")
    for path in sorted(Path("varied/images").iterdir())[:3]:
        path.unlink()
    assert not json.loads(demo(*run)[1])["unchanged"]
    assert files("varied") == before


def test_variants_made_before_labeling_stay_with_their_photograph(demo):
    demo("augment", "demo/photographs", "--out", "varied", "--variants", "flip-lr")
    status, _, err = demo("launch", "varied/augmented.manifest", "--labels", "a", "--no-wait")
    assert status == 0, err
    (manifest,) = Path("gt-data/gt-workflow/jobs").glob("*/input.manifest")
    labelled = lines(manifest)
    assert len(labelled) == 12
    assert len({line["origin"] for line in labelled}) == 6
    assert sum("variant" in line for line in labelled) == 6


@pytest.mark.parametrize("source", ["varied", "varied/", "varied/images", ".", "varied/../varied"])
def test_a_folder_of_variants_is_no_source_of_photographs_but_its_manifest_is(demo, source):
    demo("augment", "demo/photographs", "--out", "varied", "--variants", "flip-lr")
    status, out, err = demo("launch", source, "--labels", "a", "--no-wait")
    assert (status, out) == (2, "")
    named = re.search(r"name their manifest instead: (\S+/augmented.manifest)$", err, re.MULTILINE)
    status, _, err = demo("launch", named[1], "--labels", "a", "--no-wait")
    assert status == 0, err


def test_photographs_beside_variants_are_photographs(demo):
    demo("augment", "demo/photographs", "--out", ".", "--variants", "flip-lr")
    status, _, err = demo("launch", "demo/photographs", "--labels", "a", "--no-wait")
    assert status == 0, err


def test_variants_are_not_varied_again_and_a_dry_run_counts_without_them(demo):
    demo("augment", "demo/photographs", "--out", "varied")
    launch = ("launch", "varied/augmented.manifest", "--labels", "a", "--augment", "seed-ten")
    status, out, err = demo(*launch, "--dry-run")
    assert status == 0, err
    assert "labeling job varied-" in out
    assert "66 objects" in out
    assert "about 50 images" in out


def test_every_flag_does_what_its_help_says(demo):
    status, _, err = demo(
        *("augment", "labelled.manifest", "--out", "varied", "--variants", "rotate-30,noise"),
        *("--per-image", "1", "--seed", "3", "--expand", "--fill", "ff0000", "--box-fit"),
        *("ellipse", "--min-visible", "0.5", "--min-side", "2", "--no-originals", "--quality"),
        *("50", "--chroma", "4:4:4", "--sheet", "sheet.png", "--attribute", "boxes"),
        *("--set", "augment.variants=rotate-30"),
    )
    assert status == 0, err
    written = lines("varied/augmented.manifest")
    assert {line["variant"]["name"] for line in written} == {"rotate-30"}
    assert len(written) == 6
    for line in written:
        with Image.open(line["source-ref"]) as image:
            assert image.size[0] > 0
            assert image.layer[1][1:3] == (1, 1)  # chroma as fine as brightness
            red, green, blue = image.convert("RGB").getpixel((2, 2))
        assert red > 200
        assert max(green, blue) < 60
        of = line["variant"]["of"]
        with Image.open(of) as photograph:
            assert line["boxes"]["image_size"][0]["width"] > photograph.width
    with Image.open("sheet.png") as sheet:
        assert sheet.format == "PNG"


def test_settings_of_the_file_hold_and_flags_win(demo):
    Path("gt.toml").write_text('[augment]\nvariants = ["flip-tb"]\nseed = 4\n')
    assert demo("augment", "demo/photographs", "--out", "a")[0] == 0
    assert demo("augment", "demo/photographs", "--out", "b", "--variants", "flip-lr")[0] == 0
    names = [
        {
            line["variant"]["name"]
            for line in lines(f"{out}/augmented.manifest")
            if "variant" in line
        }
        for out in "ab"
    ]
    assert names == [{"flip-tb"}, {"flip-lr"}]


def test_a_dry_run_says_how_many_and_writes_nothing(demo, tmp_path):
    before = files(tmp_path)
    status, out, _ = demo("augment", "demo/photographs", "--out", "varied", "--dry-run", "--json")
    told = json.loads(out)
    assert (status, told["photographs"], told["variants-at-most"]) == (0, 6, 60)
    status, out, _ = demo("augment", "demo/photographs", "--out", "varied", "--dry-run")
    assert status == 0
    assert out.startswith("10 variants of 6 photographs (flip-lr, ")
    assert "at most 60 images\nfolder (not written): varied" in out
    convert = ("convert", "labelled.manifest", "--out", "c", "--augment", "seed-ten", "--dry-run")
    status, out, _ = demo(*convert, "--json")
    told = json.loads(out)
    trained = told["train"]["images"]
    assert (status, told["augment"]["variants-at-most"]) == (0, 10 * trained)
    status, out, _ = demo(*convert)
    assert status == 0
    assert f"train side, at most {10 * trained} images" in out
    status, out, _ = demo(
        "launch", "demo/photographs", *SIMULATED, "--augment", "seed-ten", "--dry-run"
    )
    assert status == 0
    assert "10 variants of each labelled photograph on the train side, about 50 images" in out
    status, out, _ = demo(
        *("launch", "demo/photographs", *SIMULATED, "--augment", "flip-lr"),
        *("--dry-run", "--json"),
    )
    assert json.loads(out)["augment"] == {
        "variants": ["flip-lr"],
        "variants-of-each": 1,
        "images-about": 5,
    }
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--variants", "spin"), 2, "there are seed-ten, flip-lr, flip-tb, rotate-<degrees>"),
        (("--variants", ","), 2, "name at least one"),
        (("--variants", "rotate-400"), 2, "less than 360"),
        (("--per-image", "11"), 2, "only 10 named"),
        (("--per-image", "-1"), 2, "--per-image"),
        (("--per-image", "1000000000", "--variants", "scale"), 2, "from 1 to 1,000 of each"),
        (
            ("--train-only", "--set", "channels.validation=2"),
            2,
            "channels.validation: a share below 1",
        ),
        (("--train-only", "--set", "channels.distance=99"), 2, "distance"),
        (("--out", "demo/truth.manifest"), 2, "truth.manifest is no folder"),
        (("--out", "demo/truth.manifest/x"), 2, "truth.manifest is no folder"),
        (("--per-image", "many"), 2, "--per-image"),
        (("--fill", "red"), 2, "RRGGBB"),
        (("--box-fit", "circle"), 2, "--box-fit: is rectangle or ellipse, not 'circle'"),
        (("--min-visible", "2"), 2, "--min-visible"),
        (("--min-side", "0"), 2, "--min-side"),
        (("--quality", "101"), 2, "--quality"),
        (("--chroma", "4:1:1"), 2, "--chroma"),
        (("--on-bad-line", "guess"), 2, "stop or skip"),
        (("--train-only",), 2, "only labelled manifests have a train side"),
        (("--sheet", "none/sheet.png"), 2, "--sheet: there is no folder none"),
        (("--out", "demo/photographs/varied"), 2, "outside"),
        (("--out", "demo/../demo/photographs"), 2, "outside"),
        (("--out", "taken"), 2, "taken/augmented.manifest was not written by augment"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_its_status(demo, arguments, status, said):
    Path("taken").mkdir()
    Path("taken/augmented.manifest").write_text("{}")
    given = ("--out", "varied") if "--out" not in arguments else ()
    got, out, err = demo("augment", "demo/photographs", *given, *arguments)
    assert (got, out) == (status, "")
    assert said in err
    assert "Traceback" not in err
    assert not Path("varied").exists()
    assert Path("taken/augmented.manifest").read_text() == "{}"


def test_a_contact_sheet_takes_the_place_of_nothing_but_a_contact_sheet(demo):
    Path("mine.png").write_bytes(next(Path("demo/photographs").iterdir()).read_bytes())
    Path("folder.png").mkdir()
    Path("varied/images").mkdir(parents=True)
    before = files(".")
    run = ("augment", "labelled.manifest", "--out", "varied", "--variants", "flip-lr", "--sheet")
    for sheet, said in (
        ("labelled.manifest", "a name that ends in .jpg, .jpeg, .png, not 'labelled.manifest'"),
        ("mine.png", "mine.png is there already, and no contact sheet"),
        ("folder.png", "folder.png is a folder"),
        ("", ". is a folder"),
        ("varied/images/sheet.png", "it would be taken for a photograph"),
    ):
        status, out, err = demo(*run, sheet)
        assert (status, out) == (2, ""), err
        assert said in err
        assert files(".") == before
    status, _, err = demo("augment", "demo/photographs", *run[2:], "demo/photographs/s.jpg")
    assert status == 2
    assert "it would be taken for a photograph" in err
    for sheet in ("sheet.png", "sheet.jpg", "sheet.jpg"):
        assert demo(*run, sheet)[0] == 0


def test_a_contact_sheet_shows_the_first_photograph_that_can_be_drawn(demo):
    first, *others = lines("labelled.manifest")
    lost = first | {"source-ref": "/nowhere/lost.jpg"}
    Path("note.jpg").write_text("no image")
    none = first | {"source-ref": str(Path("note.jpg").absolute())}
    whole = [json.dumps(line) for line in (lost, none, *others)]
    Path("some.manifest").write_text("\n".join(["{broken", *whole]) + "\n")
    run = ("augment", "some.manifest", "--out", "varied", "--variants", "flip-lr")
    status, _, err = demo(*run, "--on-bad-line", "skip", "--sheet", "sheet.png")
    assert status == 0, err
    with Image.open("sheet.png") as sheet, Image.open(others[0]["source-ref"]) as photograph:
        assert sheet.height < 300 < sheet.width  # a row is as high as what is in it
        assert photograph.height < photograph.width
    shutil.rmtree("varied/images")
    for line in others:
        Path(line["source-ref"]).unlink()
    Path("sheet.png").unlink()
    told = json.loads(Path("varied/augment.json").read_bytes())
    with Path("varied/augmented.manifest").open("rb") as file:
        found = list(families(file, AugmentReceipt.of(told)))
    assert [[("variant" in line) for line in family] for family in found] == [[False, True]] * 5


@pytest.mark.parametrize("command", ["launch", "convert"])
def test_a_wrong_variant_is_told_before_anything_is_done(demo, command):
    what = ("demo/photographs", *SIMULATED) if command == "launch" else ("labelled.manifest",)
    status, out, err = demo(command, *what, "--out", "c", "--augment", "flip-lr,spin")
    assert (status, out) == (2, "")
    assert "there is no variant 'spin'; there are seed-ten" in err
    assert not Path("gt-data").exists()
    assert not Path("c").exists()


def test_one_photograph_is_no_source(demo):
    photograph = min(Path("demo/photographs").iterdir())
    status, _, err = demo("augment", str(photograph), "--out", "varied")
    assert status == 2
    assert f"{photograph} is no source of photographs; name a folder, an s3://" in err


def test_a_photograph_that_is_none_is_left_out_by_name_and_a_folder_without_any_is_an_error(cli):
    Path("photos").mkdir()
    for name in ("cut.jpg", "notes.txt"):
        Path("photos", name).write_bytes(b"\xff\xd8\xff\xe0 no more")
    status, _, err = cli("augment", "photos", "--out", "varied")
    assert status == 3
    assert "no variant could be made, the first: cut.jpg" in err
    Image.new("RGB", (30, 20), "blue").save("photos/a.png")
    status, out, err = cli("augment", "photos", "--out", "varied", "--variants", "flip-lr")
    assert status == 0, err
    assert "1 variant of 1 photograph" in out
    assert "left out: cut.jpg: " in err


def broken(folder):
    """The labels, but the second line is none and the third has no image."""
    whole = Path("labelled.manifest").read_bytes().splitlines()
    lost = json.loads(whole[2]) | {"source-ref": str(Path(folder, "lost.jpg").absolute())}
    Path("bad.manifest").write_bytes(
        b"\n".join([whole[0], b'{"source-ref": 1}', json.dumps(lost).encode(), *whole[3:]]) + b"\n"
    )


def salt_that_leaves_both_sides(manifest):
    """Addresses differ from run to run, and with them the sides."""
    refs = [json.loads(line)["source-ref"] for line in Path(manifest).read_bytes().splitlines()]
    usable = [ref for ref in refs if isinstance(ref, str) and Path(ref).exists()]
    for salt in map(str, range(100)):
        if len({side(ref, validation=0.2, salt=salt) for ref in usable}) == 2:
            return salt
    raise AssertionError


def test_bad_lines_stop_or_are_passed_on(demo, tmp_path):
    broken(tmp_path)
    status, _, err = demo("augment", "bad.manifest", "--out", "varied")
    assert status == 3
    assert "bad.manifest:2: source-ref" in err
    first, *_ = lines("labelled.manifest")
    for address, why in (
        ("gone.jpg", "there is no such file"),
        ("file:///a.jpg", "is neither an s3:// address nor a path"),
    ):
        Path("gone.manifest").write_text(json.dumps(first | {"source-ref": address}) + "\n")
        status, _, err = demo("augment", "gone.manifest", "--out", "varied")
        assert status == 3
        assert f"its image {address} cannot be read: {why}; repair it, or leave it out with" in err
    run = ("augment", "bad.manifest", "--variants", "flip-lr", "--on-bad-line", "skip", "--json")
    status, out, err = demo(*run, "--out", "varied")
    assert status == 0, err
    told = json.loads(out)
    assert told["counts"]["variants"] == 4
    assert [one["name"] for one in told["left-out"]] == ["line 2", "line 3"]
    assert told["counts"]["lines-unreadable"] == 1
    assert told["left-out"][0]["reason"].startswith("source-ref: ")
    assert b'{"source-ref": 1}' in Path("varied/augmented.manifest").read_bytes()


def test_lines_that_are_not_listed_are_counted(demo, tmp_path):
    broken(tmp_path)
    run = ("augment", "bad.manifest", "--variants", "flip-lr", "--on-bad-line", "skip")
    status, out, err = demo(*run, "--out", "varied", "--no-originals")
    assert status == 0, err
    assert "not listed (--no-originals): 2 lines without variants" in out
    assert "left out: line 2: source-ref: " in err
    assert len(lines("varied/augmented.manifest")) == 4


def test_images_in_a_bucket_that_is_not_here_come_with_the_way_to_get_them(demo):
    first, *_ = lines("labelled.manifest")
    Path("away.manifest").write_text(json.dumps(first | {"source-ref": "s3://lab/a b.jpg"}) + "\n")
    status, out, err = demo("augment", "away.manifest", "--out", "varied")
    assert (status, out) == (3, "")
    assert "away.manifest:1: " in err
    assert "It was looked for at gt-data/lab/a b.jpg" in err
    assert "aws s3 sync s3://lab gt-data/lab" in err


def test_convert_grows_the_train_side_alone(demo):
    convert = ("convert", "labelled.manifest", "--to", "manifest,recordio", "--validation", "0.4")
    _, out, _ = demo(*convert, "--out", "plain", "--json")
    split = [one for one in json.loads(out)["warnings"] if "another split" in one]
    plain = json.loads(out)["images"]["manifest"]
    status, out, err = demo(*convert, "--out", "grown", "--augment", "seed-ten", "--json")
    assert status == 0, err
    told = json.loads(out)
    assert told["images"]["manifest"] == {
        "train": 11 * plain["train"],
        "validation": plain["validation"],
    }
    assert [one for one in told["warnings"] if "another split" in one] == split
    sides = {side: lines(f"grown/manifest/{side}.manifest") for side in ("train", "validation")}
    assert not any("variant" in line for line in sides["validation"])
    origins = [{line.get("origin", line["source-ref"]) for line in side} for side in sides.values()]
    assert not origins[0] & origins[1]
    was = lines("plain/manifest/validation.manifest")
    # Places in a channel are drawn anew from the manifest's line numbers.
    assert {line["source-ref"] for line in sides["validation"]} == {
        line["source-ref"] for line in was
    }
    drawn, varied = told["augment"]["counts"]["boxes-before"], told["augment"]["counts"]["boxes"]
    assert 9 * drawn < varied <= 10 * drawn
    channel = json.loads(Path("grown/recordio/channel.json").read_bytes())
    assert channel["train"]["boxes"] == drawn + varied

    # Other variants lie beside the first ones; the same ones are there already.
    assert demo(*convert, "--out", "grown", "--augment", "flip-lr", "--json")[0] == 0
    assert len(list(Path("grown/augmented").iterdir())) == 2
    _, out, _ = demo(*convert, "--out", "grown", "--augment", "seed-ten", "--json")
    assert json.loads(out)["augment"]["unchanged"]


def test_a_channels_folder_is_one_runs_alone_while_variants_are_made(demo):
    convert = ("convert", "labelled.manifest", "--out", "c", "--to", "manifest")
    with wiring.local(config.load()) as wired, wired.storage.exclusive("c"):
        status, out, err = demo(*convert, "--augment", "flip-lr")
    assert (status, out) == (2, "")
    assert "another run is writing into c" in err
    assert not Path("c").exists() or not files("c")


@pytest.mark.parametrize("command", ["convert", "split"])
def test_a_folder_of_photographs_is_no_manifest(demo, command):
    status, out, err = demo(command, "demo/photographs", "--out", "c")
    assert (status, out) == (2, "")
    assert "demo/photographs is a folder; name a" in err


def test_convert_skips_with_variants_what_it_skips_without(demo, tmp_path):
    broken(tmp_path)
    convert = ("convert", "bad.manifest", "--to", "manifest", "--on-bad-line", "skip", "--json")
    convert += ("--set", f"channels.salt={salt_that_leaves_both_sides('bad.manifest')}")
    _, out, _ = demo(*convert, "--out", "plain")
    status, grown, err = demo(*convert, "--out", "grown", "--augment", "flip-tb")
    assert status == 0, err
    plain, grown = (json.loads(one)["images"]["manifest"] for one in (out, grown))
    assert grown == plain | {"train": 2 * plain["train"]}


def test_launch_grows_what_was_labelled_and_a_second_run_finds_it_done(demo):
    launch = ("launch", "demo/photographs", *SIMULATED, "--augment", TEN, "--json")
    status, out, err = demo(*launch)
    assert status == 0, err
    told = json.loads(out)
    counts = told["augment"]["counts"]
    assert counts["originals"] == 6
    trained = counts["photographs"]
    assert 0 < trained < 6
    for sides in told["channels"]["images"].values():
        assert sides == {"train": trained + counts["variants"], "validation": 6 - trained}
    assert told["augment"]["manifest"].startswith(told["channels"]["out"])
    status, out, err = demo(*launch)
    again = json.loads(out)
    assert again["augment"]["unchanged"]
    assert len(again["channels"]["unchanged"]) == 3
    status, out, err = demo(*launch[:-1], "--to", "manifest")
    assert "--out s3://" not in err
    assert re.search(rf"{counts['variants']} variants of {trained} photographs \(unchanged\)", out)


def test_ctrl_c_and_the_same_command_end_in_the_same_bytes(tmp_path):
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for number in range(160):
        Image.effect_noise((160, 120), number).save(photographs / f"{number}.jpg")
    command = [sys.executable, "-m", "gt_workflow", "augment", "photographs", "--out", "varied"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    whole = files(tmp_path / "varied")
    (tmp_path / "varied").rename(tmp_path / "whole")
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        part = tmp_path / "varied" / "part-00000000.lines"
        while not part.exists():
            with suppress(subprocess.TimeoutExpired):
                process.wait(0.01)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130, err
    assert "interrupted" in err
    assert not (tmp_path / "varied" / "augmented.manifest").exists()
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    first = re.search(r"making variants: (\d+) of 1600", done.stderr)
    assert int(first[1]) >= 320  # a shard of 32 photographs was there
    assert files(tmp_path / "varied") == whole


def test_from_s3_to_s3_through_our_own_service(demo, monkeypatch, tmp_path):
    settings = config.load(flags={"store.root": "account"})
    with wiring.backend(settings, port=0) as running:
        for name, value in (
            ("AWS_ENDPOINT_URL", running.address),
            ("AWS_ACCESS_KEY_ID", "any"),
            ("AWS_SECRET_ACCESS_KEY", "any"),
        ):
            monkeypatch.setenv(name, value)
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="lab")
        for path in sorted(Path("demo/photographs").iterdir()):
            s3.upload_file(str(path), "lab", f"photos/{path.name}")
        account = ("--backend", "aws", "--region", "us-east-1", "--variants", "flip-lr,crop")
        run = ("augment", "s3://lab/photos/", "--out", "s3://lab/varied", *account, "--json")
        status, out, err = demo(*run)
        assert status == 0, err
        assert json.loads(out)["counts"]["variants"] == 12
        assert json.loads(demo(*run)[1])["unchanged"]
        keys = [one["Key"] for one in s3.list_objects_v2(Bucket="lab")["Contents"]]
        body = s3.get_object(Bucket="lab", Key="varied/augmented.manifest")["Body"].read()
    written = [json.loads(line) for line in body.splitlines()]
    assert {line["source-ref"].removeprefix("s3://lab/") for line in written} <= set(keys)
    assert not any("part-" in key or "unfinished" in key for key in keys)
    status, _, err = demo("augment", "demo/photographs", "--out", "local", *account[4:])
    assert status == 0, err
    # The same photographs under the same names are the same files, wherever they lie.
    here = {name.removeprefix("images/"): data for name, data in files("local").items()}
    for name, data in files(tmp_path / "account" / "lab" / "varied" / "images").items():
        assert here[name] == data


def test_augment_without_a_name_is_seed_ten_and_none_is_none(demo):
    Path("gt.toml").write_text('[augment]\nvariants = ["flip-tb"]\n')
    convert = ("convert", "labelled.manifest", "--out", "c", "--dry-run", "--json", "--augment")
    status, out, err = demo(*convert, "--to", "recordio")
    assert status == 0, err
    assert len(json.loads(out)["augment"]["variants"]) == 10
    status, out, err = demo(*convert, "none")
    assert status == 0, err
    assert "augment" not in json.loads(out)
    status, out, err = demo(*convert)
    assert len(json.loads(out)["augment"]["variants"]) == 10
    status, _, err = demo("launch", "--labels", "a", "--augment", "demo/photographs")
    assert status == 2
    assert "there is no variant 'demo/photographs'; there are seed-ten" in err


def test_convert_tells_what_is_left_out_and_how_variants_come_to_s3(demo, tmp_path):
    broken(tmp_path)
    with Path("bad.manifest").open("ab") as file:
        file.write(b'{"source-ref": "untouched.jpg"}\n')
    salt = salt_that_leaves_both_sides("bad.manifest")
    convert = ("convert", "bad.manifest", "--on-bad-line", "skip", "--set", f"channels.salt={salt}")
    status, out, err = demo(*convert, "--out", "plain", "--to", "manifest")
    assert status == 0, err
    assert "left out, and why: plain/report.json (3 of 7 lines)" in out
    assert "--out s3://" not in err
    status, out, err = demo(*convert, "--out", "grown", "--augment", "flip-tb")
    assert status == 0, err
    assert "planes" not in out
    assert "for a training job to read, by: --out s3://" in err
