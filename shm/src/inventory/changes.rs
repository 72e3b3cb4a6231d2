//! What is different between two inventories.

use std::collections::HashMap;

use serde::Serialize;

use super::{Id, Inventory, Orphan, Piece};

/// What happened to a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// It was there when the watching began.
    Present,
    /// It is new.
    Appeared,
    /// Nobody holds it any more, and it is still there.
    Orphaned,
    /// It was an orphan, and somebody holds it now.
    Held,
    /// It is gone.
    Vanished,
}

impl Event {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Event::Present => "present",
            Event::Appeared => "appeared",
            Event::Orphaned => "orphaned",
            Event::Held => "held",
            Event::Vanished => "vanished",
        }
    }
}

/// Something that happened to a piece, which is shown as it was seen last.
#[derive(Clone, Debug, Serialize)]
pub struct Change<'a> {
    /// What happened.
    pub event: Event,
    /// To which piece.
    pub piece: &'a Piece,
}

impl Inventory {
    /// All pieces, as the beginning of a list of changes.
    pub fn present(&self) -> impl Iterator<Item = Change<'_>> {
        self.pieces.iter().map(|piece| Change { event: Event::Present, piece })
    }

    /// What has happened since `before` was taken: first what vanished, then the rest, each in the order of the pieces.
    pub fn since<'a>(&'a self, before: &'a Inventory) -> Vec<Change<'a>> {
        let by_id = |inventory: &'a Inventory| -> HashMap<Id, &'a Piece> {
            inventory.pieces.iter().map(|piece| (piece.id, piece)).collect()
        };
        let (old, new) = (by_id(before), by_id(self));
        let gone = before.pieces.iter().filter(|piece| !new.contains_key(&piece.id));
        let mut changes: Vec<_> = gone.map(|piece| Change { event: Event::Vanished, piece }).collect();
        changes.extend(self.pieces.iter().filter_map(|piece| {
            let left = |piece: &Piece| piece.orphan != Orphan::No;
            let event = match old.get(&piece.id) {
                None => Event::Appeared,
                Some(before) if !left(before) && left(piece) => Event::Orphaned,
                Some(before) if left(before) && !left(piece) => Event::Held,
                Some(_) => return None,
            };
            Some(Change { event, piece })
        }));
        changes
    }
}
