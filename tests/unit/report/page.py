"""The page of a run is one well-formed file that fetches nothing, and shows each section exactly where the run has data
for it; its charts are well-formed SVG, and the files inside it are the run's."""

import base64
import html.parser
import json
import pathlib
import re
import tempfile
import xml.etree.ElementTree

import invented_run
from support.program import SMALL_MODEL, SMALL_TERRAFM, error_of, invented_corpus, require, run

#: Elements that have no end tag in HTML.
VOID = {"meta", "img", "br", "hr", "link", "input", "wbr"}
HERE = ("data:", "#")

RECIPE = ["--train.micro_batch_size", "4", "--train.micro_batches", "2", "--train.steps", "3",
          "--train.warmup_steps", "1"]


class Page(html.parser.HTMLParser):
    """Checks that elements nest, ids are unique and references stay inside the page; gathers what it holds."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.sections, self.images, self.links, self.text = [], [], [], [], {}, ""
        self.feed(text)
        require(not self.open, f"every element is closed, also {self.open}")
        require(len(self.ids) == len(set(self.ids)), "ids are unique")

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        for name in ("src", "href", "action", "data", "poster", "xlink:href", "srcset"):
            if name in values:
                require(values[name].startswith(HERE), f"<{tag} {name}> points into the page: {values[name][:60]}")
        if tag == "section":
            self.sections.append(values["id"])
        if tag == "img":
            require(values.get("alt"), "every picture has a text in its place")
            self.images.append(values["src"])
        if tag == "a" and "download" in values:
            self.links[values["download"]] = values["href"]
        if "id" in values:
            self.ids.append(values["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        require(self.open and self.open.pop() == tag, f"</{tag}> closes the element opened last")

    def handle_data(self, data):
        self.text += data


def check(folder):
    """Parses the page and its charts."""
    text = (folder / "index.html").read_text()
    page = Page(text)
    require("@import" not in text and "url(http" not in text, "the style fetches nothing")
    charts = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    require(charts, "the page has charts")
    for chart in charts + [path.read_text() for path in sorted(folder.glob("*.svg"))]:
        root = xml.etree.ElementTree.fromstring(chart)
        space = "{http://www.w3.org/2000/svg}"
        require(root.find(space + "title").text and root.find(space + "desc").text, "charts have title and description")
        require(not re.search(r"[ \",]-?(nan|inf)[ \",<]", chart), "charts place every value")
    return page


def check_parts(scratch):
    everything = ["run", "losses", "targets", "knn", "optimisation", "speed", "sampling", "configuration",
                  "files"]
    for missing in [()] + [(part,) for part in invented_run.PARTS] + [tuple(invented_run.PARTS)]:
        folder = scratch / ("without-" + "-".join(missing))
        invented_run.write(folder, without=missing)
        told = json.loads(run("report", folder, "--json"))
        page = check(folder / "report")
        gone = {invented_run.PARTS[part] for part in missing}
        require(page.sections == [name for name in everything if name not in gone],
                f"without {missing} the page has {page.sections}")
        require(told["sections"] == page.sections, "--json tells the sections")
        require(told["step"] == 700 and told["finished"] and told["images"] == 44800, f"key numbers: {told}")
        require((told["knn_accuracy"] is None) == ("knn" in missing), "kNN accuracy is null without kNN")
        require("a number of tomorrow" in page.text, "a number that the page does not know is drawn all the same")
    whole = check(scratch / "without-" / "report")
    require("mean" in whole.text and "Equal Earth" in whole.text, "captions say how curves and map were made")
    metrics = base64.b64decode(whole.links["metrics.jsonl"].split(",")[1])
    require(metrics == (scratch / "without-" / "metrics.jsonl").read_bytes(), "the page holds metrics.jsonl")


def check_pictures(folder, page):
    files = sorted(path for name in ("tiles", "attention") for path in (folder / name).glob("*/*.png"))
    inside = {base64.b64decode(image.split(",")[1]) for image in page.images}
    require(files and {path.read_bytes() for path in files} <= inside, "every picture is inside the page")


def check_mpmae(scratch, corpus):
    folder = scratch / "mpmae"
    run("pretrain", "--corpus", corpus, "--output", folder, *SMALL_MODEL, *RECIPE)
    told = json.loads(run("report", folder, "--tiles", 2, "--json"))
    page = check(folder / "report")
    require({"losses", "targets", "optimisation", "speed", "sampling", "reconstructions", "configuration", "files"} <=
            set(page.sections), f"a run of MP-MAE shows {page.sections}")
    require(told["tiles"] == 2, "two tiles are reconstructed")
    check_pictures(folder / "report", page)
    require(str(folder / "report" / "index.html") == run("report", folder, "--tiles", 0).strip(), "the page is named")
    require("reconstructions" not in check(folder / "report").sections, "no tiles, no section")


def check_terrafm(scratch, corpus):
    folder = scratch / "terrafm"
    run("pretrain", "--corpus", corpus, "--output", folder, *SMALL_TERRAFM, *RECIPE)
    told = json.loads(run("report", folder, "--tiles", 1, "--json"))
    page = check(folder / "report")
    wanted = {"losses", "optimisation", "speed", "sampling", "attention", "configuration", "files"}
    require(wanted <= set(page.sections) and "reconstructions" not in page.sections,
            f"a run of TerraFM shows {page.sections}")
    require(told["tiles"] == 1 and "head 2" in page.text, "a picture per attention head")
    check_pictures(folder / "report", page)


def main():
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        check_parts(scratch)
        corpus = invented_corpus(scratch, tiles=40)
        check_mpmae(scratch, corpus)
        check_terrafm(scratch, corpus)
        (scratch / "empty").mkdir()
        require("no run folder" in error_of("report", scratch / "empty", code=2), "an empty folder is refused")


if __name__ == "__main__":
    main()
