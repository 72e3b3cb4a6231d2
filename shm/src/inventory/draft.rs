//! The inventory while it is being taken: pieces by their identity, to which each process adds what it knows.

use std::collections::HashMap;

use shm_core::process::program_name;
use shm_core::seals::Seals;

use super::place::{Facts, Places};
use super::process::Found;
use super::sysv::Segment;
use super::users::Users;
use super::{Holder, Id, Kind, Orphan, Piece, posix};

/// The pieces found so far.
#[derive(Debug)]
pub(super) struct Drafts {
    pieces: HashMap<Id, Draft>,
    /// Seals that cannot change any more, from earlier passes.
    sealed: HashMap<Id, Seals>,
    /// Directories of POSIX objects that may not be read.
    pub closed_directories: usize,
}

#[derive(Debug)]
struct Draft {
    piece: Piece,
    uid: Option<u32>,
    /// Where the name of a POSIX object is, below `/dev/shm`, in its very bytes.
    path: Option<Vec<u8>>,
}

impl Drafts {
    pub fn new(sealed: HashMap<Id, Seals>) -> Drafts {
        Drafts { pieces: HashMap::new(), sealed, closed_directories: 0 }
    }

    pub fn get(&self, id: Id) -> Option<&Piece> {
        Some(&self.pieces.get(&id)?.piece)
    }

    fn draft(&mut self, id: Id) -> &mut Draft {
        self.pieces.entry(id).or_insert_with(|| Draft { piece: blank(id), uid: None, path: None })
    }

    /// The piece, which is begun if it is a new one.
    pub fn at(&mut self, id: Id) -> &mut Piece {
        &mut self.draft(id).piece
    }

    /// The entry of a process among the holders of a piece. Processes are looked at one after the other, so it is the last.
    pub fn holder(&mut self, id: Id, pid: i32) -> &mut Holder {
        let holders = &mut self.at(id).holders;
        let at = match holders.last() {
            Some(last) if last.pid == pid => holders.len() - 1,
            _ => {
                holders.push(Holder { pid, program: None, fds: Vec::new(), mappings: Vec::new() });
                holders.len() - 1
            }
        };
        &mut holders[at]
    }

    /// A file of this name below `/dev/shm`.
    pub fn named(&mut self, id: Id, path: Vec<u8>, facts: Facts) {
        let draft = self.draft(id);
        let name = format!("/{}", String::from_utf8_lossy(&path));
        if draft.path.is_some() {
            draft.piece.other_names.push(name);
            return;
        }
        draft.piece.name = Some(name);
        draft.path = Some(path);
        draft.learn(&facts);
    }

    /// Something that a process holds. The first to hold it says what it is called.
    pub fn found(&mut self, found: &Found<'_>, facts: Option<Facts>) {
        let draft = self.draft(found.id);
        let named = draft.path.is_some();
        let piece = &mut draft.piece;
        piece.foreign = found.foreign;
        piece.huge_page = found.huge_page;
        if piece.name.is_none() && !found.name.is_empty() {
            let name = String::from_utf8_lossy(found.name);
            piece.name =
                Some(if found.id.kind == Kind::Sysv { format!("0x{name}") } else { name.into_owned() });
        }
        piece.removed = found.removed && !named;
        if let Some(facts) = facts {
            draft.learn(&facts);
        }
    }

    /// Whether the seals of a memfd are known for good; they are noted then.
    pub fn seals_are_final(&mut self, id: Id) -> bool {
        let Some(seals) = self.sealed.get(&id).copied() else { return false };
        self.at(id).seals = Some(seals);
        true
    }

    /// The inventory, and the seals that cannot change any more. `blind`: some processes were not seen.
    pub fn finish(
        mut self,
        segments: Vec<Segment>,
        places: &Places,
        users: &Users,
        blind: bool,
    ) -> (Vec<Piece>, HashMap<Id, Seals>) {
        self.tabulate(segments);
        let mut programs: HashMap<i32, Option<String>> = HashMap::new();
        let mut pieces = Vec::with_capacity(self.pieces.len());
        for (id, Draft { mut piece, uid, path }) in self.pieces {
            piece.owner = uid.map(|uid| users.owner(uid));
            if let (Some(path), true) = (&path, piece.holders.is_empty()) {
                // It may have gone since its name was read.
                if !posix::still_there(places, path, id) {
                    continue;
                }
                piece.orphan = if blind { Orphan::Perhaps } else { Orphan::Yes };
            }
            for holder in &mut piece.holders {
                let program = programs.entry(holder.pid).or_insert_with(|| program_name(holder.pid));
                holder.program.clone_from(program);
                holder.fds.sort_unstable();
            }
            piece.holders.sort_unstable_by_key(|holder| holder.pid);
            piece.other_names.sort_unstable();
            pieces.push(piece);
        }
        pieces.sort_by(|a, b| (a.id.kind, &a.name, a.id).cmp(&(b.id.kind, &b.name, b.id)));
        let last = |piece: &Piece| Some((piece.id, piece.seals.filter(|seals| seals.contains(Seals::SEAL))?));
        let sealed = pieces.iter().filter_map(last).collect();
        (pieces, sealed)
    }

    /// The kernel's table has the last word on the segments of our own namespace: what is not in it is gone.
    fn tabulate(&mut self, segments: Vec<Segment>) {
        let ours = |id: &Id| id.kind == Kind::Sysv && id.namespace.is_none();
        let mut holders: HashMap<Id, Vec<Holder>> = HashMap::new();
        self.pieces.retain(|id, draft| {
            if ours(id) {
                holders.insert(*id, std::mem::take(&mut draft.piece.holders));
            }
            !ours(id)
        });
        for segment in segments {
            let id = Id { kind: Kind::Sysv, device: None, namespace: None, number: segment.id };
            let holders = holders.remove(&id).unwrap_or_default();
            let draft = self.draft(id);
            draft.uid = Some(segment.uid);
            let piece = &mut draft.piece;
            piece.name = Some(format!("{:#010x}", segment.key));
            piece.removed = segment.removed;
            piece.size = Some(segment.size);
            piece.resident = Some(segment.resident);
            piece.swapped = Some(segment.swapped);
            piece.mode = Some(format!("{:04o}", segment.mode));
            piece.creator = Some(segment.creator);
            piece.attached = Some(segment.attached);
            // The kernel counts whoever attaches it, whether we may look at them or not.
            let left = segment.attached == 0 && !segment.removed && holders.is_empty();
            piece.orphan = if left { Orphan::Yes } else { Orphan::No };
            piece.holders = holders;
        }
    }
}

impl Draft {
    fn learn(&mut self, facts: &Facts) {
        self.uid = Some(facts.uid);
        self.piece.size = Some(facts.size);
        // A dma-buf's memory is the driver's, which keeps all of it as long as it lives.
        let all = self.piece.id.kind == Kind::Dmabuf;
        self.piece.resident = Some(if all { facts.size } else { facts.resident });
        self.piece.mode = Some(format!("{:04o}", facts.mode));
        if self.piece.id.kind == Kind::Posix && facts.links > 0 {
            // A name may end like what the kernel says of files without one.
            self.piece.removed = false;
        }
    }
}

fn blank(id: Id) -> Piece {
    Piece {
        id,
        name: None,
        other_names: Vec::new(),
        removed: false,
        foreign: false,
        size: None,
        resident: None,
        swapped: None,
        huge_page: None,
        seals: None,
        exporter: None,
        owner: None,
        mode: None,
        creator: None,
        attached: None,
        orphan: Orphan::No,
        holders: Vec::new(),
    }
}
