/* Randomness that is the same for each input: for targets whose code draws random numbers. */
#pragma once

/* Before anything of sodium; then at the start of each input. */
void steady_random(void);
