#include "support/error_text.hpp"
#include "support/scratch.hpp"

#include <terramill/core/error.hpp>
#include <terramill/core/file.hpp>
#include <terramill/core/options.hpp>

#include <sstream>

namespace terramill {
namespace {

using testing::contains;
using testing::Scratch;
using testing::text_of;

/// A table with one option of every kind.
struct Job {
  std::string source = "geotiff", input, note;
  std::int64_t tiles = 1000;
  int threads = 2;
  double rate = 0.5;
  bool resume = false;
  OptionTable table{"terramill job INPUT [options]", "Does a job."};

  Job() {
    table.positional("input", &input, "what to read");
    table.add("source", &source, "kind of input", "", {"geotiff", "mmearth-tiles"});
    table.add("corpus.tiles", &tiles, "tiles per shard", "tiles");
    table.add("threads", &threads, "worker threads");
    table.add("train.rate", &rate, "learning rate");
    table.add("train.resume", &resume, "go on where the last run ended");
    table.add("note", &note, "free text");
  }
  bool parse(const std::vector<std::string>& arguments) {
    std::ostringstream out;
    const bool go_on = table.parse(arguments, out);
    printed = out.str();
    return go_on;
  }
  std::string refusal(const std::vector<std::string>& arguments) {
    return text_of<UsageError>([&] { static_cast<void>(parse(arguments)); });
  }
  std::string printed;
};

TEST(Options, BothSpellingsOfAValueAreTaken) {
  Job job;
  EXPECT_TRUE(job.parse({"in", "--corpus.tiles=7", "--threads", "3", "--note=", "--train.rate", "-1e-3"}));
  EXPECT_EQ(job.input, "in");
  EXPECT_EQ(job.tiles, 7);
  EXPECT_EQ(job.threads, 3);
  EXPECT_EQ(job.note, "");
  EXPECT_EQ(job.rate, -1e-3);
  EXPECT_EQ(job.source, "geotiff");
}

TEST(Options, NegativeNumbersAreValues) {
  Job job;
  EXPECT_TRUE(job.parse({"--corpus.tiles", "-5", "--threads=-1", "-7"}));
  EXPECT_EQ(job.tiles, -5);
  EXPECT_EQ(job.threads, -1);
  EXPECT_EQ(job.input, "-7");
}

TEST(Options, SwitchesStandAloneOrTakeAWord) {
  const std::pair<std::vector<std::string>, bool> kCases[] = {
      {{"in", "--train.resume"}, true},         {{"--train.resume", "in"}, true},
      {{"in", "--train.resume", "true"}, true}, {{"in", "--train.resume", "false"}, false},
      {{"in", "--train.resume=false"}, false},  {{"in", "--train.resume", "--json"}, true}};
  for (const auto& [arguments, expected] : kCases) {
    Job job;
    EXPECT_TRUE(job.parse(arguments));
    EXPECT_EQ(job.resume, expected);
    EXPECT_EQ(job.input, "in");
  }
  EXPECT_TRUE(contains(Job().refusal({"in", "--train.resume=maybe"}), "expected is true or false"));
}

TEST(Options, WhatFollowsTheEndMarkIsPositional) {
  Job job;
  EXPECT_TRUE(job.parse({"--threads", "4", "--", "--note"}));
  EXPECT_EQ(job.input, "--note");
  EXPECT_EQ(job.threads, 4);
}

TEST(Options, CommandLineWinsOverFileOverDefault) {
  const Scratch scratch;
  const auto file = (scratch / "job.ini").string();
  write_file_durably(file, "threads = 5\n[corpus]\ntiles = 12 # few\n[train]\nresume = true\n");
  Job job;
  EXPECT_TRUE(job.parse({"in", "--corpus.tiles", "99", "--config", file}));
  EXPECT_EQ(job.threads, 5);
  EXPECT_EQ(job.tiles, 99);
  EXPECT_TRUE(job.resume);
  EXPECT_EQ(job.table.origin("threads"), Origin::kFile);
  EXPECT_EQ(job.table.origin("corpus.tiles"), Origin::kCommandLine);
  EXPECT_EQ(job.table.origin("source"), Origin::kDefault);
}

TEST(Options, TheLastOfEqualOptionsOnTheCommandLineCounts) {
  Job job;
  EXPECT_TRUE(job.parse({"in", "--threads", "4", "--threads", "6"}));
  EXPECT_EQ(job.threads, 6);
}

TEST(Options, WithoutItsSectionAndWithOtherHyphensANameIsStillFound) {
  Job job;
  std::string batches;
  job.table.add("fault.skip_batches", &batches, "steps");
  EXPECT_TRUE(contains(job.refusal({"in", "--skip-batches=3"}), "did you mean fault.skip_batches?"));
}

TEST(Options, UnknownOptionsAreRefusedWithTheNearest) {
  EXPECT_TRUE(contains(Job().refusal({"in", "--sorce", "x"}), "unknown option sorce (command line)"));
  EXPECT_TRUE(contains(Job().refusal({"in", "--sorce", "x"}), "did you mean source?"));
  EXPECT_TRUE(contains(Job().refusal({"in", "--tiles=3"}), "did you mean corpus.tiles?"));
  EXPECT_TRUE(contains(Job().refusal({"in", "--zzzzzzzz"}), "see --help"));
  EXPECT_TRUE(contains(Job().refusal({"-x"}), "unknown option -x"));
  const Scratch scratch;
  const auto file = (scratch / "job.ini").string();
  write_file_durably(file, "[corpus]\n\ntile = 3\n");
  const auto text = Job().refusal({"in", "--config", file});
  EXPECT_TRUE(contains(text, "unknown option corpus.tile (" + file + ":3)"));
  EXPECT_TRUE(contains(text, "did you mean corpus.tiles?"));
}

TEST(Options, WrongValuesNameOptionValuePlaceAndExpectation) {
  EXPECT_TRUE(contains(Job().refusal({"in", "--threads", "two"}),
                       "option threads (command line): \"two\" is not valid, expected is an integer"));
  for (const char* bad : {"1.5", "", "3x", "99999999999", " 3", "0x10"}) {
    EXPECT_TRUE(contains(Job().refusal({"in", std::string("--threads=") + bad}), "expected is an integer"))
        << bad;
  }
  for (const char* bad : {"", "nan", "1,5", "x"}) {
    EXPECT_TRUE(contains(Job().refusal({"in", std::string("--train.rate=") + bad}), "expected is a number"))
        << bad;
  }
  EXPECT_TRUE(contains(Job().refusal({"in", "--corpus.tiles", "x"}), "(tiles)"));
  EXPECT_TRUE(
      contains(Job().refusal({"in", "--source", "geotif"}), "expected is one of geotiff, mmearth-tiles"));
  EXPECT_TRUE(contains(Job().refusal({"in", "--source", "geotif"}), "did you mean geotiff?"));
  EXPECT_TRUE(
      contains(Job().refusal({"in", "--threads"}), "option threads (command line) needs a value: integer"));
  EXPECT_TRUE(contains(Job().refusal({"in", "--threads", "--json"}), "needs a value"));
}

TEST(Options, FaultyFilesAreUsageErrorsWithTheirLine) {
  const Scratch scratch;
  const auto file = (scratch / "job.ini").string();
  const std::pair<const char*, const char*> kCases[] = {{"threads = x\n", ":1): \"x\" is not valid"},
                                                        {"\nthreads\n", ":2: a line is"},
                                                        {"threads = 1\nthreads = 2\n", "given twice"},
                                                        {"json = true\n", "belongs on the command line"}};
  for (const auto& [text, expected] : kCases) {
    write_file_durably(file, text);
    EXPECT_TRUE(contains(Job().refusal({"in", "--config", file}), expected));
  }
  EXPECT_TRUE(contains(Job().refusal({"in", "--config", (scratch / "absent.ini").string()}), "No such file"));
}

TEST(Options, MissingAndSurplusArgumentsAreRefused) {
  EXPECT_TRUE(contains(Job().refusal({}), "the argument input is missing: what to read"));
  EXPECT_TRUE(contains(Job().refusal({"a", "b"}), "unexpected argument \"b\""));
  Job job;
  job.table.require("note");
  EXPECT_TRUE(contains(job.refusal({"a"}), "the option --note is missing"));
}

TEST(Options, PrintedConfigurationReadsBackTheSame) {
  const Scratch scratch;
  const auto file = (scratch / "job.ini").string();
  Job first;
  EXPECT_FALSE(first.parse(
      {"in dir", "--note", " a # \"b\" \\ ", "--train.rate=1e-7", "--train.resume", "--print-config"}));
  EXPECT_TRUE(
      contains(first.printed, "[train]\nrate = 1e-07  # command line\nresume = true  # command line\n"));
  EXPECT_TRUE(contains(first.printed, "threads = 2  # default\n"));
  write_file_durably(file, first.printed);
  Job second;
  EXPECT_TRUE(second.parse({"--config", file}));
  EXPECT_EQ(second.table.values(), first.table.values());
  EXPECT_EQ(second.note, " a # \"b\" \\ ");
}

TEST(Options, ValuesLeaveOutWhatOnlySteersTheCommand) {
  Job job;
  EXPECT_TRUE(job.parse({"in", "--json"}));
  EXPECT_TRUE(job.table.json());
  std::string names;
  for (const auto& [name, value] : job.table.values()) names += name + " ";
  EXPECT_EQ(names, "input source corpus.tiles threads train.rate train.resume note ");
}

TEST(Options, HelpShowsTypeUnitDefaultAndChoicesInColumns) {
  Job job;
  EXPECT_FALSE(job.parse({"--threads", "bad", "--help"}));
  const auto& text = job.printed;
  EXPECT_TRUE(contains(text, "usage: terramill job INPUT [options]\n\nDoes a job.\n"));
  EXPECT_TRUE(contains(text, "(geotiff | mmearth-tiles)"));
  std::istringstream lines(text);
  std::string line;
  std::size_t column = std::string::npos;
  int options = 0;
  while (std::getline(lines, line)) {
    if (line.find("  option ") == 0) column = line.find("meaning");
    if (line.find("  --") != 0) continue;
    ++options;
    ASSERT_LT(column, line.size()) << line;
    EXPECT_EQ(line[column - 1], ' ') << line;
    EXPECT_NE(line[column], ' ') << line;
    if (line.find("--corpus.tiles") != std::string::npos) {
      EXPECT_TRUE(contains(line, "integer"));
      EXPECT_TRUE(contains(line, "tiles"));
      EXPECT_TRUE(contains(line, "1000"));
    }
  }
  EXPECT_EQ(options, 10);
}

}  // namespace
}  // namespace terramill
