//! The monotonic clock.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Now, on `CLOCK_MONOTONIC`.
pub fn now() -> Timespec {
    clock_gettime(ClockId::Monotonic)
}

/// Nanoseconds since the clock's beginning.
pub fn now_ns() -> u64 {
    ns(now())
}

/// Microseconds since the clock's beginning.
pub fn now_us() -> u64 {
    now_ns() / 1000
}

/// Nanoseconds of the clock of that number (a `clockid_t`); of the monotonic one, if there is none such.
pub fn now_ns_of(id: u32) -> u64 {
    const KNOWN: [ClockId; 5] = [
        ClockId::Realtime,
        ClockId::MonotonicRaw,
        ClockId::Boottime,
        ClockId::MonotonicCoarse,
        ClockId::RealtimeCoarse,
    ];
    ns(clock_gettime(KNOWN.into_iter().find(|c| *c as u32 == id).unwrap_or(ClockId::Monotonic)))
}

/// A time as nanoseconds; the clock is never negative.
pub fn ns(t: Timespec) -> u64 {
    (t.tv_sec.max(0) as u64).saturating_mul(1_000_000_000).saturating_add(t.tv_nsec.max(0) as u64)
}

/// The milliseconds that input and frame events carry; they wrap, as the protocol expects.
pub fn event_time(ns: u64) -> u32 {
    (ns / 1_000_000) as u32
}
