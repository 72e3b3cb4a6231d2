//! `selkie shm sysv`.

use std::error::Error;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use selkie_shm::pairs::sysv;
use shm_core::sysv::Key;

use super::pair::{Byte, Content, Said, Wait, ended, mode, size};
use crate::exit::Outcome;

#[derive(Debug, Args)]
pub struct SysvArgs {
    #[command(subcommand)]
    command: SysvCommand,
}

/// The two sides.
#[derive(Debug, Subcommand)]
enum SysvCommand {
    /// Make a segment, fill it, wait until somebody has read it, and remove it
    Write(WriteArgs),
    /// Find the segment that `write` has made, and check every byte
    Read(ReadArgs),
}

/// How both sides know which segment is meant.
#[derive(Debug, Args)]
struct KeyArgs {
    /// The key, a number that both sides have agreed on
    #[arg(long, value_name = "KEY", default_value = "0x53454c4b", value_parser = key)]
    key: Key,
    /// Make the key of this file's inode and --id, as ftok(3) does
    #[arg(long, value_name = "PATH", requires = "id", conflicts_with = "key")]
    file: Option<PathBuf>,
    /// A number from 1 to 255 for --file, so that one file has several keys
    #[arg(long, value_name = "N", requires = "file", value_parser = clap::value_parser!(u8).range(1..))]
    id: Option<u8>,
}

#[derive(Debug, Args)]
struct WriteArgs {
    #[command(flatten)]
    key: KeyArgs,
    /// Who may read and write it, as of a file, in octal
    #[arg(long, value_name = "MODE", default_value = "0600", value_parser = mode)]
    mode: u32,
    /// Leave it there and wait for nobody: it stays until somebody removes it (`read --remove`, ipcrm), or the machine is shut down
    #[arg(long, conflicts_with = "seconds")]
    keep: bool,
    #[command(flatten)]
    content: Content,
    #[command(flatten)]
    wait: Wait,
    #[command(flatten)]
    said: Said,
}

#[derive(Debug, Args)]
struct ReadArgs {
    #[command(flatten)]
    key: KeyArgs,
    /// How large it has to be at least [default: it is taken as it is]
    #[arg(long, value_name = "BYTES", value_parser = size)]
    size: Option<u64>,
    /// Remove it afterwards
    #[arg(long)]
    remove: bool,
    #[command(flatten)]
    byte: Byte,
    #[command(flatten)]
    said: Said,
}

impl KeyArgs {
    /// The key, and the options that name it.
    fn key(&self) -> Result<(Key, String), Box<dyn Error>> {
        match (&self.file, self.id) {
            (Some(file), Some(id)) => {
                Ok((Key::ftok(file, id.into())?, format!(" --file {} --id {id}", file.display())))
            }
            _ => Ok((self.key, format!(" --key {}", self.key))),
        }
    }
}

/// One side of it.
pub fn run(args: SysvArgs) -> Outcome {
    ended(match args.command {
        SysvCommand::Write(WriteArgs { key, mode, keep, content, wait, said }) => {
            let (key, named) = key.key()?;
            let write =
                sysv::Write { content: content.into(), key, named, mode, keep, patience: wait.into() };
            sysv::write(&write, &mut said.trace())?
        }
        SysvCommand::Read(ReadArgs { key, size, remove, byte, said }) => {
            let (key, _) = key.key()?;
            sysv::read(&sysv::Read { byte: byte.byte, key, size, remove }, &mut said.trace())?
        }
    })
}

fn key(text: &str) -> Result<Key, String> {
    match text.parse::<Key>() {
        Ok(key) if key.is_private() => Err("it is IPC_PRIVATE, by which no segment is found".into()),
        Ok(key) => Ok(key),
        Err(error) => Err(error.to_string()),
    }
}
