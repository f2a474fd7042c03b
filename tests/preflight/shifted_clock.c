/* Preloaded into a program, this library shifts its clock by SHIFTED_CLOCK_SECONDS. */
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec* time) {
  const int result = (int)syscall(SYS_clock_gettime, clock, time);
  const char* const text = getenv("SHIFTED_CLOCK_SECONDS");
  if (result == 0 && clock == CLOCK_REALTIME && text != NULL) {
    const double shift = atof(text);
    time->tv_sec += (time_t)shift;
    time->tv_nsec += (long)((shift - (double)(time_t)shift) * 1e9);
    if (time->tv_nsec < 0) {
      time->tv_nsec += 1000000000;
      --time->tv_sec;
    } else if (time->tv_nsec >= 1000000000) {
      time->tv_nsec -= 1000000000;
      ++time->tv_sec;
    }
  }
  return result;
}
