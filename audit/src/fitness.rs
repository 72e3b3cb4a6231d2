//! Could a compositor use a buffer without copying it? The rules that selkie's nested backend keeps, applied to what was
//! seen: what it forwards to its host as it is, and what it makes a dma-buf of.

use selkie_compositor::{IMPORTED_STRIDE, MOST_PIXELS};
use shm_core::seals::Seals;
use shm_core::udmabuf::check_known;

use crate::memory::Arrival;
use crate::record::Layout;

/// Whether a dma-buf can be made of it, with udmabuf.
pub(crate) fn import(arrival: &Arrival, file_size: Option<u64>, layout: &Layout) -> Result<(), String> {
    let Some(seals) = arrival.examined.seals else {
        return Err("only a memfd can become a dma-buf".to_owned());
    };
    let page = rustix::param::page_size() as u64;
    let offset = u64::try_from(layout.offset).map_err(|_| "the offset is negative".to_owned())?;
    let bytes = layout.stride.checked_mul(layout.height.into()).and_then(|n| u64::try_from(n).ok());
    let bytes = bytes.and_then(|n| n.checked_next_multiple_of(page)).ok_or("the numbers are no picture")?;
    check_known(seals, file_size.unwrap_or(0), offset, bytes).map_err(|why| why.to_string())?;
    if !layout.stride.unsigned_abs().is_multiple_of(IMPORTED_STRIDE) {
        return Err(format!(
            "the stride {} is not a multiple of {IMPORTED_STRIDE} bytes, which GPUs want",
            layout.stride
        ));
    }
    Ok(())
}

/// Whether it can go to a host as it is.
pub(crate) fn forward(arrival: &Arrival, layout: &Layout) -> Result<(), String> {
    let seals = arrival.examined.seals.unwrap_or_default();
    if arrival.examined.verdict != shm_core::verdict::Verdict::Sealed {
        return Err("its memory is not sealed, and could vanish under the host".to_owned());
    }
    if !arrival.writable {
        return Err("the descriptor is read-only, and hosts map pools read-write".to_owned());
    }
    if seals.intersects(Seals::WRITE | Seals::FUTURE_WRITE) {
        return Err(format!(
            "the memory is sealed against writing ({seals}), and hosts map pools read-write"
        ));
    }
    if layout.stride % 4 != 0 || layout.offset % 4 != 0 {
        return Err("its rows are not aligned to 4 bytes".to_owned());
    }
    if layout.width > MOST_PIXELS || layout.height > MOST_PIXELS {
        return Err(format!("it is larger than {MOST_PIXELS} pixels"));
    }
    Ok(())
}
