//! `selkie_ledger_manager_v1`: a client asks what became of its buffer.

use selkie_protocols::ledger::server::selkie_buffer_record_v1::{self as record, SelkieBufferRecordV1};
use selkie_protocols::ledger::server::selkie_ledger_manager_v1::{self as manager, SelkieLedgerManagerV1};
use shm_core::seals::Seals;

use super::global;
use super::shm::BufferData;
use crate::buffer::{Buffer, Path, Policy, Pool};
use crate::dispatch::{Ctx, Requests};
use crate::error::Outcome;

global!(SelkieLedgerManagerV1, 1, |_server, _client, object, init| {
    init.init(object, ManagerData);
});

/// A bound `selkie_ledger_manager_v1`.
struct ManagerData;

impl Requests<SelkieLedgerManagerV1> for ManagerData {
    fn request(
        &self,
        ctx: &mut Ctx<'_, '_>,
        _: &SelkieLedgerManagerV1,
        request: manager::Request,
    ) -> Outcome {
        use wayland_server::Resource;
        let manager::Request::GetRecord { id, buffer } = request else { return Ok(()) };
        let record = ctx.init.init(id, RecordData);
        if let Some(data) = buffer.data::<BufferData>() {
            send(&record, &data.buffer);
        }
        Ok(())
    }
}

/// A record; all it has to say is sent when it is made.
struct RecordData;

impl Requests<SelkieBufferRecordV1> for RecordData {
    fn request(&self, _: &mut Ctx<'_, '_>, _: &SelkieBufferRecordV1, _: record::Request) -> Outcome {
        Ok(())
    }
}

fn halves(n: u64) -> (u32, u32) {
    ((n >> 32) as u32, n as u32)
}

fn send(record: &SelkieBufferRecordV1, buffer: &Buffer) {
    if let Some(pool) = buffer.pool() {
        send_memory(record, pool);
    }
    if let Some(image) = buffer.dmabuf() {
        let (hi, lo) = halves(image.bytes());
        record.memory(0, 0, image.describe(), hi, lo);
        // Which is what this says: it cannot become shorter.
        record.verdict(record::Verdict::Sealed, String::new());
        record.policy(policy(image.client().policy), 0);
    }
    record.guard(if buffer.is_unmapped() { record::Guard::None } else { record::Guard::Armed });
    record.path(match buffer.path() {
        None => record::Path::None,
        Some(Path::Forwarded) => record::Path::Forwarded,
        Some(Path::Scanout) => record::Path::Scanout,
        Some(Path::Imported) => record::Path::Imported,
        Some(Path::Composed) => record::Path::Composed,
    });
    let (hi, lo) = halves(buffer.bytes_copied());
    record.bytes_copied(hi, lo);
    record.frames(u32::try_from(buffer.frames()).unwrap_or(u32::MAX));
    record.done();
}

/// What is known about the memory of a pool.
fn send_memory(record: &SelkieBufferRecordV1, pool: &Pool) {
    let facts = pool.facts();
    // As they are now: a client may have added some since.
    let seals = Seals::of(pool.fd()).ok();
    let (hi, lo) = halves(facts.file_size.unwrap_or(0));
    record.memory(seals.is_some().into(), seals.map_or(0, Seals::bits), facts.kind.to_string(), hi, lo);
    let verdict = match facts.verdict {
        "sealed" => record::Verdict::Sealed,
        "unsealed" => record::Verdict::Unsealed,
        _ => record::Verdict::Unusable,
    };
    record.verdict(verdict, facts.why.clone());
    record.policy(policy(facts.policy), facts.adopted.into());
}

fn policy(policy: Policy) -> record::Policy {
    match policy {
        Policy::Enforce => record::Policy::Enforce,
        Policy::Adopt => record::Policy::Adopt,
        Policy::Copy => record::Policy::Copy,
        Policy::Guard => record::Policy::Guard,
    }
}
