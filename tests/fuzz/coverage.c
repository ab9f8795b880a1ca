/* Which paths of the compiled modules one run takes, for a fuzzer without clang.

   gcc's -fsanitize-coverage=trace-pc calls the first function at every basic block. Each step from
   one block to another has a counter; as in AFL, a step is new when it was never counted so often:
   once, twice, three times, up to 7, 15, 31, 127, or more. The fuzzer keeps such an input. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define STEPS (1 << 16)

static unsigned char counts[STEPS];
static unsigned char seen[STEPS];
static uint32_t last;

__attribute__((no_sanitize("address"))) void __sanitizer_cov_trace_pc(void)
{
    uint64_t at = (uint64_t)(uintptr_t)__builtin_return_address(0) * 0x9E3779B97F4A7C15u;
    uint32_t block = (uint32_t)(at >> 48);
    unsigned char *count = &counts[(block ^ last) % STEPS];
    *count += *count < 255;
    last = block >> 1;
}

static unsigned char often(unsigned char count)
{
    return count < 4 ? 1 << (count - 1) : count < 8 ? 8 : count < 16 ? 16 : count < 32 ? 32
         : count < 128 ? 64 : 128;
}

/* How many steps the runs since the last call took that are new. */
size_t gnomon_new_steps(void)
{
    size_t found = 0;
    for (size_t i = 0; i < STEPS; i++)
        if (counts[i] && (often(counts[i]) & ~seen[i])) {
            seen[i] |= often(counts[i]);
            found++;
        }
    memset(counts, 0, STEPS);
    last = 0;
    return found;
}
