//! Where a case is run: the compositor that it talks to, and how patient it is.

use std::path::PathBuf;
use std::time::Duration;

use crate::case::Stop;
use crate::client::Client;

/// The compositor under examination, as a case sees it.
#[derive(Debug, Clone)]
pub struct Session {
    /// The path of its socket.
    pub socket: PathBuf,
    /// Its process, if it is known.
    pub pid: Option<i32>,
    /// How many times as long as usual everything may take here.
    pub times: u32,
}

impl Session {
    /// A new connection of an ordinary client, with the list of globals.
    ///
    /// # Errors
    ///
    /// [`Stop::Fail`] if nobody listens, [`Stop::Hang`] if nobody answers.
    pub fn connect(&self) -> Result<Client, Stop> {
        Client::connect(&self.socket, self.patience())
    }

    /// How long a compositor may take for an answer of any kind.
    pub fn patience(&self) -> Duration {
        self.seconds(5)
    }

    /// So many seconds of a machine that is as fast as usual.
    pub fn seconds(&self, seconds: u64) -> Duration {
        Duration::from_secs(seconds) * self.times
    }
}
