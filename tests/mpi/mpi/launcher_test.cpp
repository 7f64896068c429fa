#include "support/testing.hpp"

#include <terramill/core/error.hpp>
#include <terramill/mpi/launcher.hpp>

#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace terramill::mpi {
namespace {

/// Sets environment variables, and puts them back.
class Environment {
 public:
  using Values = std::vector<std::pair<std::string, std::string>>;
  explicit Environment(const Values& values) {
    for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"}) {
      const char* value = std::getenv(name);
      before_.emplace_back(name, value ? std::optional<std::string>(value) : std::nullopt);
      ::unsetenv(name);
    }
    for (const auto& [name, value] : values) ::setenv(name.c_str(), value.c_str(), 1);
  }
  ~Environment() {
    for (const auto& [name, value] : before_) {
      if (value) {
        ::setenv(name.c_str(), value->c_str(), 1);
      } else {
        ::unsetenv(name.c_str());
      }
    }
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

TEST(Launcher, TheInnermostOneTellsHowManyItStarted) {
  const Environment nothing(Environment::Values{});
  EXPECT_EQ(started_together(), std::nullopt);
  const Environment daemons(
      Environment::Values{{"SLURM_STEP_NUM_TASKS", "2"}, {"OMPI_COMM_WORLD_SIZE", "8"}});
  EXPECT_EQ(started_together(), 8);
  const Environment pmi(Environment::Values{{"SLURM_STEP_NUM_TASKS", "2"}, {"PMI_SIZE", "6"}});
  EXPECT_EQ(started_together(), 6);
  const Environment step(Environment::Values{{"SLURM_STEP_NUM_TASKS", "4"}});
  EXPECT_EQ(started_together(), 4);
  const Environment broken(Environment::Values{{"SLURM_STEP_NUM_TASKS", "4x"}});
  EXPECT_EQ(started_together(), std::nullopt);
}

TEST(Launcher, AWorldOfFewerRanksThanWereStartedIsRefused) {
  const Communicator world = Communicator::world();
  EXPECT_NO_THROW(require_world(world));
  const Environment whole(Environment::Values{{"SLURM_STEP_NUM_TASKS", std::to_string(world.size())}});
  EXPECT_NO_THROW(require_world(world));
  const Environment apart(Environment::Values{{"SLURM_STEP_NUM_TASKS", std::to_string(world.size() + 1)}});
  EXPECT_THROW(require_world(world), UsageError);
}

}  // namespace
}  // namespace terramill::mpi
