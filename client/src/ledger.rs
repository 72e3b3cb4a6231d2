//! What the compositor says it knows about a buffer: the client's end of `selkie-ledger-v1.xml`.

use selkie_protocols::ledger::client::selkie_buffer_record_v1::{self as record, Event};
use serde::Serialize;
use shm_core::seals::Seals;
use wayland_client::WEnum;

/// The record of one buffer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LedgerRecord {
    /// The surface the buffer is for: 0 is the main one, then the subsurfaces from bottom to top.
    pub surface: usize,
    /// The seals, as `fcntl(2)` has them; None where the file cannot carry any.
    pub seals: Option<u32>,
    /// The kind of memory, in words.
    pub kind: String,
    /// Size of the file in bytes; 0 if the compositor did not ask.
    pub size: u64,
    /// `sealed`, `unsealed` or `unusable`.
    pub verdict: &'static str,
    /// The reason for the verdict; empty for sealed memory.
    pub why: String,
    /// The policy applied to this client: `enforce`, `adopt`, `copy` or `guard`.
    pub policy: &'static str,
    /// Whether the compositor added the seal.
    pub adopted: bool,
    /// Whether the memory is read under a guard against SIGBUS.
    pub guarded: bool,
    /// `none`, `forwarded`, `scanout`, `imported` or `composed`.
    pub path: &'static str,
    /// Bytes of this buffer that the compositor has read, over all its frames.
    pub bytes_copied: u64,
    /// How many frames showed this buffer.
    pub frames: u32,
}

impl LedgerRecord {
    /// The seals in words: `seal+shrink`, `none`, or `-` where there cannot be any.
    pub fn seals_text(&self) -> String {
        self.seals.map_or_else(|| "-".to_owned(), |bits| Seals::from_bits_retain(bits).to_string())
    }

    /// Takes in one event; says whether it was the last one.
    pub(crate) fn take(&mut self, event: Event) -> bool {
        const UNKNOWN: &str = "unknown";
        let wide = |hi: u32, lo: u32| u64::from(hi) << 32 | u64::from(lo);
        match event {
            Event::Memory { seals_known, seals, kind, size_hi, size_lo } => {
                self.seals = (seals_known != 0).then_some(seals);
                self.kind = kind;
                self.size = wide(size_hi, size_lo);
            }
            Event::Verdict { verdict, why } => {
                self.verdict = match verdict {
                    WEnum::Value(record::Verdict::Sealed) => "sealed",
                    WEnum::Value(record::Verdict::Unsealed) => "unsealed",
                    WEnum::Value(record::Verdict::Unusable) => "unusable",
                    _ => UNKNOWN,
                };
                self.why = why;
            }
            Event::Policy { policy, adopted } => {
                self.policy = match policy {
                    WEnum::Value(record::Policy::Enforce) => "enforce",
                    WEnum::Value(record::Policy::Adopt) => "adopt",
                    WEnum::Value(record::Policy::Copy) => "copy",
                    WEnum::Value(record::Policy::Guard) => "guard",
                    _ => UNKNOWN,
                };
                self.adopted = adopted != 0;
            }
            Event::Guard { guard } => self.guarded = guard == WEnum::Value(record::Guard::Armed),
            Event::Path { path } => {
                self.path = match path {
                    WEnum::Value(record::Path::None) => "none",
                    WEnum::Value(record::Path::Forwarded) => "forwarded",
                    WEnum::Value(record::Path::Scanout) => "scanout",
                    WEnum::Value(record::Path::Imported) => "imported",
                    WEnum::Value(record::Path::Composed) => "composed",
                    _ => UNKNOWN,
                }
            }
            Event::BytesCopied { hi, lo } => self.bytes_copied = wide(hi, lo),
            Event::Frames { count } => self.frames = count,
            Event::Done => return true,
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_complete_with_done() {
        let mut record = LedgerRecord::default();
        let memory = Event::Memory { seals_known: 1, seals: 3, kind: "memfd".into(), size_hi: 1, size_lo: 2 };
        assert!(!record.take(memory));
        assert!(
            !record.take(Event::Verdict { verdict: WEnum::Value(record::Verdict::Sealed), why: "".into() })
        );
        assert!(!record.take(Event::Path { path: WEnum::Unknown(77) }));
        assert!(!record.take(Event::BytesCopied { hi: 1, lo: 0 }));
        assert!(record.take(Event::Done));
        assert_eq!((record.size, record.bytes_copied), ((1 << 32) + 2, 1 << 32));
        assert_eq!((record.verdict, record.path), ("sealed", "unknown"));
        assert_eq!(record.seals_text(), (Seals::SEAL.union(Seals::SHRINK)).to_string());
        assert_eq!(LedgerRecord::default().seals_text(), "-");
    }
}
