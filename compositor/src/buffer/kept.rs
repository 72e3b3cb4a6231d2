//! What a backend made of a client's memory, kept with it and dropped with it.

use std::any::Any;
use std::sync::{Arc, Mutex, PoisonError};

use super::BufferUse;

/// A place for one thing of a backend's.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Option<Box<dyn Any + Send + Sync>>>);

impl Kept {
    /// What is kept, made first if there is nothing yet. That it cannot be made is kept too, if that `lasts`.
    ///
    /// # Errors
    ///
    /// What `make` said, now or when it was first called.
    pub fn get_or_make<T, E>(
        &self,
        make: impl FnOnce() -> Result<T, E>,
        lasts: impl FnOnce(&E) -> bool,
    ) -> Result<Arc<T>, E>
    where
        T: Any + Send + Sync,
        E: Any + Send + Sync + Clone,
    {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept.as_ref().and_then(|k| k.downcast_ref::<Result<Arc<T>, E>>()) {
            return found.clone();
        }
        let made = make().map(Arc::new);
        if made.as_ref().err().is_none_or(lasts) {
            *kept = Some(Box::new(made.clone()));
        }
        made
    }

    /// Lets go of what is kept, so that the next call makes it anew.
    pub fn forget(&self) {
        let kept = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        drop(kept);
    }
}

/// Uses of a buffer that a host has not ended yet.
#[derive(Default)]
pub(crate) struct Held(Mutex<Vec<Arc<BufferUse>>>);

impl Held {
    /// The host reads the buffer for `used` from now on.
    pub fn add(&self, used: &Arc<BufferUse>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.iter().any(|h| Arc::ptr_eq(h, used)) {
            held.push(used.clone());
        }
    }

    /// The host reads the buffer for another use than `used`.
    pub fn remove(&self, used: &Arc<BufferUse>) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|h| !Arc::ptr_eq(h, used));
    }

    /// The client can no longer be told that the buffer itself is free: only the uses whose end it wants to know of
    /// go on. Returns whether there are any.
    pub fn keep_awaited(&self) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (kept, ended) = std::mem::take(&mut *held).into_iter().partition(|used| used.is_awaited());
        *held = kept;
        let any = !held.is_empty();
        drop(held);
        drop::<Vec<_>>(ended);
        any
    }

    /// The host is done with the buffer, or nobody cares any more.
    pub fn end(&self) {
        // Dropped after the lock is: the last use may take the buffer with it.
        let ended = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        drop(ended);
    }
}
