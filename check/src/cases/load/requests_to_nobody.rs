//! Objects that are not there.

use crate::cases::prelude::*;

pub(super) const CASE: Case = Case {
    id: "load.requests-to-nobody",
    does: "Sends requests to objects that were never made, of numbers at every edge.",
    must: "Each time the client is ended; an ordinary client gets each frame within 1 s.",
    reference: "wayland.xml, wl_display.error.invalid_object",
    matters: "The number of an object is an index into a table that the client must not be able to leave.",
    limit: Duration::from_secs(30),
    run,
    ..Case::DEFAULT
};

fn run(session: &Session) -> Outcome {
    session.withstands(|_| {
        for object in [0, 3, 4, 4095, 65536, 0x7fff_ffff, 0x8000_0000, 0xfeff_ffff, 0xff00_0000, 0xffff_ffff]
        {
            let mut other = Wire::connect(session)?;
            other.send(object, 0, &[Arg::Uint(5)])?;
            match other.roundtrip() {
                Err(Stop::Ended(_)) => {}
                Err(other) => return Err(other),
                Ok(()) => {
                    return Err(Stop::fail(
                        "wl_display.invalid_object",
                        format_args!("no error for object {object}"),
                    ));
                }
            }
        }
        Ok(())
    })
}
