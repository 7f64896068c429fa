#pragma once

#include <gtest/gtest.h>

/// What several tests share. Within terramill, `testing::` still finds GoogleTest.
namespace terramill::testing {
using namespace ::testing;
}
