"""What jobs/setup.sh --check says where packages cannot be installed: which Python and which headers it takes."""

import os
import pathlib
import subprocess
import tempfile

from support.program import SOURCE, require

#: A Python of another version, whose environment lacks a package.
PYTHON = """#!/usr/bin/env bash
case "$*" in
  *version_info*) echo {version} ;;
  "- "*) echo torch==2 ;;
esac
"""
#: A compiler that finds headers in the folders of its options alone.
COMPILER = """#!/usr/bin/env bash
read -r _ header
for option; do [[ $option == -I* && -e ${option#-I}/${header:1:-1} ]] && exit 0; done
exit 1
"""


class Stage:
    """This machine's programs but those by which setup knows Debian, and a python3 and a c++ of its own."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.programs = self.folder / "programs"
        self.module = self.folder / "module"
        self.programs.mkdir()
        self.module.mkdir()
        for place in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
            for program in pathlib.Path(place).iterdir():
                link = self.programs / program.name
                if program.name not in ("dpkg-query", "apt-get") and not link.is_symlink():
                    link.symlink_to(program)
        self.put(self.module / "c++", COMPILER)

    def put(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def check(self, **variables):
        environment = {**os.environ, "PATH": f"{self.module}:{self.programs}", "TERRAMILL_CACHE": str(self.folder / "cache"),
                       **variables}
        for name in ("TERRAMILL_VENV", "TERRAMILL_TORCH_DIR", "TERRAMILL_PYTHON"):
            environment.pop(name, None)
        done = subprocess.run(["bash", SOURCE / "jobs/setup.sh", "--check", "--no-tests"], env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        require(done.returncode == 2, f"nothing is installed there: {done.returncode}\n{done.stdout}")
        return done.stdout


def takes_the_python_of_the_path_where_it_is_new_enough(stage):
    python, environment = stage.module / "python3", stage.folder / "cache/venv"
    for version in ("3.6", "3.9", "3.10"):
        stage.put(python, PYTHON.format(version=version))
        said = stage.check()
        require(f"{python} is Python {version}, and" in said and "need 3.11 or newer" in said, f"{version}:\n{said}")
    for version in ("3.11", "3.12", "4.0"):
        stage.put(python, PYTHON.format(version=version))
        said = stage.check()
        require("newer" not in said and "torch==" in said, f"{version} will do, and its packages are missing:\n{said}")

    stage.put(environment / "bin/python", PYTHON.format(version="3.9"))
    said = stage.check()
    require(f"{environment}/bin/python is Python 3.9" in said and "remove that folder" in said,
            f"the environment was made with an older one:\n{said}")
    stage.put(environment / "bin/python", PYTHON.format(version="3.11"))
    require("newer" not in stage.check(), "the environment's own version counts")


def takes_headers_below_the_prefixes_of_cmake(stage):
    header, package = "boost/program_options.hpp", "libboost-program-options-dev"
    (stage.folder / "boost/include" / header).parent.mkdir(parents=True)
    (stage.folder / "boost/include" / header).touch()
    said = stage.check()
    require(package in said and "g++ (header source_location)" in said, f"a header that is nowhere is missing:\n{said}")
    said = stage.check(CMAKE_PREFIX_PATH=f"/absent:{stage.folder / 'boost'}")
    require(package not in said and "nlohmann-json3-dev" in said, f"one that CMake would find is not:\n{said}")


def main():
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(folder)
        takes_the_python_of_the_path_where_it_is_new_enough(stage)
        takes_headers_below_the_prefixes_of_cmake(stage)


if __name__ == "__main__":
    main()
