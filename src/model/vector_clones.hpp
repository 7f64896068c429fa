#pragma once

// Marks a function to be compiled for wider vectors too, the best being chosen when the program starts.
// Products and sums are kept apart in the whole project (-ffp-contract=off), so each clone gives the same
// bits. Sanitizers run before the choice is made and do without.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__)
#define TERRAMILL_VECTOR_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define TERRAMILL_VECTOR_CLONES
#endif
