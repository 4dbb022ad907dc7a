/* SPDX-License-Identifier: GPL-2.0 */
/* Time, signals, and threads that wait for them. */
#ifndef MINIVMX_ALARM_H
#define MINIVMX_ALARM_H

#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "minivmx_util.h"

/* In seconds, since some moment. */
static inline double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static inline void no_action(int signal)
{
	(void)signal;
}

static inline void catch_signal(int signal, void (*handler)(int))
{
	const struct sigaction action = { .sa_handler = handler };

	require(!sigaction(signal, &action, NULL), "sigaction: %s",
		strerrorname_np(errno));
}

/* SIGALRM, once. */
static inline void set_alarm(long microseconds)
{
	const struct itimerval alarm = { .it_value = { 0, microseconds } };

	setitimer(ITIMER_REAL, &alarm, NULL);
}

/* SIGALRM again and again; 0 is the end of it. */
static inline void set_ticks(long microseconds)
{
	const struct itimerval ticks = {
		.it_interval = { 0, microseconds },
		.it_value = { 0, microseconds },
	};

	setitimer(ITIMER_REAL, &ticks, NULL);
}

/* A thread's MINIVMX_RUN: the errno, or 0. */
static inline void *run_in_thread(void *vcpu)
{
	return (void *)(long)run_error(vcpu);
}

#endif
