//! Where the two processes run: each on a core of its own, so that the scheduler does not decide the result.
//!
//! Two threads of one core (hyperthreads) share its caches and take turns at its units: they would make copying look
//! cheap and waiting look dear. They are avoided where `/sys/devices/system/cpu/cpuN/topology` names them.
//!
//! See `sched_setaffinity(2)`; the kernel's Documentation/admin-guide/cputopology.rst.

use std::fmt;
use std::fs;
use std::io;

use rustix::thread::CpuSet;
use serde::{Deserialize, Serialize};

/// Which CPUs the two processes are pinned to, and what that means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Placement {
    /// On two cores.
    Cores {
        /// The CPU of the process that sends first.
        first: usize,
        /// The CPU of its peer.
        second: usize,
    },
    /// On two CPUs of which it is not known whether they are one core's.
    Unknown {
        /// The CPU of the process that sends first.
        first: usize,
        /// The CPU of its peer.
        second: usize,
    },
    /// On two threads of one core: there is no second core.
    Threads {
        /// The CPU of the process that sends first.
        first: usize,
        /// The CPU of its peer.
        second: usize,
    },
    /// On one CPU: there is no other, or this process may not use it.
    Single {
        /// That CPU.
        only: usize,
    },
}

impl Placement {
    /// The best that this machine, and what this process may use of it, allow.
    ///
    /// # Errors
    ///
    /// What `sched_getaffinity` says, if it fails.
    pub fn choose() -> io::Result<Placement> {
        let allowed = rustix::thread::sched_getaffinity(None)?;
        let cpus: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu)).collect();
        Ok(among(&cpus, Topology::of))
    }

    /// The CPU of the process that sends first.
    pub fn first(self) -> usize {
        match self {
            Placement::Cores { first, .. }
            | Placement::Unknown { first, .. }
            | Placement::Threads { first, .. }
            | Placement::Single { only: first } => first,
        }
    }

    /// The CPU of its peer.
    pub fn second(self) -> usize {
        match self {
            Placement::Cores { second, .. }
            | Placement::Unknown { second, .. }
            | Placement::Threads { second, .. }
            | Placement::Single { only: second } => second,
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Placement::Cores { first, second } => {
                write!(f, "two processes, pinned to CPU {first} and CPU {second}, which are two cores")
            }
            Placement::Unknown { first, second } => write!(
                f,
                "two processes, pinned to CPU {first} and CPU {second}; /sys does not say whether these are two cores or two \
                 threads of one"
            ),
            Placement::Threads { first, second } => write!(
                f,
                "two processes, pinned to CPU {first} and CPU {second}, which are threads of ONE core: they share its caches \
                 and slow each other down. On two cores the numbers would be others"
            ),
            Placement::Single { only } => write!(
                f,
                "two processes on ONE CPU ({only}), since this process may use no other: they take turns, and the numbers say \
                 more about the scheduler than about memory. Allow it two (taskset -c 0,1) for better ones"
            ),
        }
    }
}

/// What the kernel says about a CPU.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Topology {
    /// The package that it is in.
    package: i32,
    /// The CPUs of its core, as the kernel writes them (`0,4`): the same text for each of them.
    core: String,
}

impl Topology {
    /// `None` if `/sys` does not say.
    fn of(cpu: usize) -> Option<Topology> {
        let read =
            |file: &str| fs::read_to_string(format!("/sys/devices/system/cpu/cpu{cpu}/topology/{file}"));
        let core = read("core_cpus_list").or_else(|_| read("thread_siblings_list")).ok()?;
        let package = read("physical_package_id").ok()?.trim().parse().ok()?;
        Some(Topology { package, core: core.trim().to_owned() })
    }
}

/// Chooses two of these CPUs: rather two cores than one, rather in one package than in two.
fn among(cpus: &[usize], topology: impl Fn(usize) -> Option<Topology>) -> Placement {
    let (first, others) = match cpus {
        [first, others @ ..] if !others.is_empty() => (*first, others),
        // A process that runs may use at least one CPU.
        _ => return Placement::Single { only: cpus.first().copied().unwrap_or(0) },
    };
    let Some(known) = topology(first) else {
        return Placement::Unknown { first, second: others[0] };
    };
    let other_core = |&&cpu: &&usize| topology(cpu).is_some_and(|other| other.core != known.core);
    let same_package = |&&cpu: &&usize| topology(cpu).is_some_and(|other| other.package == known.package);
    let near = others.iter().filter(other_core).find(same_package);
    match near.or_else(|| others.iter().find(other_core)) {
        Some(&second) => Placement::Cores { first, second },
        None if topology(others[0]).is_none() => Placement::Unknown { first, second: others[0] },
        None => Placement::Threads { first, second: others[0] },
    }
}

/// This thread's place, for as long as the value lives: afterwards it may run where it might before.
#[derive(Debug)]
pub(super) struct Pinned {
    before: CpuSet,
}

impl Pinned {
    /// Lets the calling thread, and processes that it starts from now on, run on `cpu` only.
    ///
    /// # Errors
    ///
    /// What `sched_setaffinity` says: `EINVAL` if the CPU is offline, or forbidden meanwhile.
    pub(super) fn to(cpu: usize) -> io::Result<Pinned> {
        let before = rustix::thread::sched_getaffinity(None)?;
        let mut only = CpuSet::new();
        only.set(cpu);
        rustix::thread::sched_setaffinity(None, &only)?;
        Ok(Pinned { before })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // It was allowed before. Should that have changed, the thread stays where it is, which harms nobody.
        let _ = rustix::thread::sched_setaffinity(None, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine: the package and the core of each CPU.
    fn on(cpus: &[usize], machine: &[(i32, &str)]) -> Placement {
        among(cpus, |cpu| {
            let &(package, core) = machine.get(cpu)?;
            Some(Topology { package, core: core.to_owned() })
        })
    }

    #[test]
    fn threads_of_one_core_are_avoided() {
        let two_cores = [(0, "0-1"), (0, "0-1"), (0, "2-3"), (0, "2-3")];
        assert_eq!(on(&[0, 1, 2, 3], &two_cores), Placement::Cores { first: 0, second: 2 });
        assert_eq!(on(&[0, 1, 3], &two_cores), Placement::Cores { first: 0, second: 3 });
        assert_eq!(on(&[2, 3], &two_cores), Placement::Threads { first: 2, second: 3 });
    }

    #[test]
    fn one_package_is_better_than_two() {
        let machine = [(0, "0,4"), (1, "1"), (1, "2"), (0, "3"), (0, "0,4")];
        assert_eq!(on(&[0, 1, 2, 3, 4], &machine), Placement::Cores { first: 0, second: 3 });
        assert_eq!(on(&[0, 1, 2, 4], &machine), Placement::Cores { first: 0, second: 1 });
    }

    #[test]
    fn what_is_not_known_is_said() {
        assert_eq!(on(&[0, 1], &[]), Placement::Unknown { first: 0, second: 1 });
        assert_eq!(on(&[0, 1], &[(0, "0")]), Placement::Unknown { first: 0, second: 1 });
        assert_eq!(on(&[5], &[]), Placement::Single { only: 5 });
    }

    #[test]
    #[cfg(not(miri))] // system calls
    fn a_pinned_thread_is_let_go_again() {
        let allowed = || {
            let set = rustix::thread::sched_getaffinity(None).unwrap();
            (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect::<Vec<_>>()
        };
        let before = allowed();
        let last = *before.last().unwrap();
        let pinned = Pinned::to(last).unwrap();
        assert_eq!(allowed(), [last]);
        drop(pinned);
        assert_eq!(allowed(), before);
    }
}
