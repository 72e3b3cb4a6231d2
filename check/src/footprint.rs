//! What a compositor holds, as `/proc` shows it: to find out what it has kept of a client that is gone.
//!
//! See proc_pid_fd(5), proc_pid_maps(5), proc_pid_status(5).

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use crate::memory;

/// More memory than this is not noise.
const NOISE: u64 = 16 << 20;

/// What a process holds at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footprint {
    /// How many fds there are of each kind (`socket`, `/memfd:NAME (deleted)`, ...).
    fds: BTreeMap<String, usize>,
    /// How many mappings there are of memory that cases share.
    ours_mapped: usize,
    /// Bytes of memory in use that belong to it alone.
    resident: u64,
}

impl Footprint {
    /// That of a process.
    ///
    /// # Errors
    ///
    /// If it is gone, or may not be looked at.
    pub fn of(pid: i32) -> io::Result<Footprint> {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let mut fds = BTreeMap::new();
        for entry in fs::read_dir(process.join("fd"))? {
            // One may be closed between being listed and being asked.
            let Ok(target) = fs::read_link(entry?.path()) else { continue };
            *fds.entry(kind(&target.to_string_lossy())).or_default() += 1;
        }
        let maps = fs::read_to_string(process.join("maps"))?;
        let ours = format!("/memfd:{}", memory::NAME);
        let ours_mapped = maps.lines().filter(|line| line.contains(&ours)).count();
        let status = fs::read_to_string(process.join("status"))?;
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kilobytes = kilobytes.and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        Ok(Footprint { fds, ours_mapped, resident: kilobytes.unwrap_or(0) * 1024 })
    }

    /// Whether memory that cases share is among it.
    pub fn has_ours(&self) -> bool {
        let ours = format!("/memfd:{}", memory::NAME);
        self.ours_mapped > 0 || self.fds.keys().any(|kind| kind.starts_with(&ours))
    }

    /// What is there now and was not there before, as a sentence; `None`: nothing.
    pub fn beyond(&self, before: &Footprint) -> Option<String> {
        let mut kept = Vec::new();
        for (kind, count) in &self.fds {
            let more = count.saturating_sub(before.fds.get(kind).copied().unwrap_or(0));
            if more > 0 {
                kept.push(format!("{more} more fds of {kind}"));
            }
        }
        let mapped = self.ours_mapped.saturating_sub(before.ours_mapped);
        if mapped > 0 {
            kept.push(format!("{mapped} more mappings of the client's memory"));
        }
        let more = self.resident.saturating_sub(before.resident);
        if more > NOISE {
            kept.push(format!("{} MiB more memory", more >> 20));
        }
        (!kept.is_empty()).then(|| kept.join(", "))
    }
}

/// What an fd refers to, without the number that makes each socket and pipe another.
fn kind(target: &str) -> String {
    match target.split_once(":[") {
        Some((kind, _)) => kind.to_owned(),
        None => target.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn finds_what_a_process_has_more() {
        let own = i32::try_from(std::process::id()).unwrap();
        let before = Footprint::of(own).unwrap();
        assert_eq!(Footprint::of(own).unwrap().beyond(&before), None);
        let memory = memory::sealed(4096).unwrap();
        let kept = Footprint::of(own).unwrap().beyond(&before).unwrap();
        assert_eq!(kept, "1 more fds of /memfd:selkie-check (deleted)");
        let mapping = shm_core::own::OwnMemory::map_shared(memory.try_clone().unwrap(), 4096).unwrap();
        let kept = Footprint::of(own).unwrap().beyond(&before).unwrap();
        assert!(kept.ends_with(", 1 more mappings of the client's memory"), "{kept}");
        drop((memory, mapping));
        assert_eq!(Footprint::of(own).unwrap().beyond(&before), None);
    }
}
