//! How the program ends: 0 if all is well, 1 if something that was asked for does not hold, 2 for
//! wrong usage (by clap), and a command's own status where one was run.

use std::error::Error;
use std::process::ExitCode;

/// What a subcommand comes to.
pub type Outcome = Result<ExitCode, Box<dyn Error>>;

/// Prints an error with its causes and gives the status.
pub fn report(outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("selkie: {}", chain(error.as_ref()));
            ExitCode::from(1)
        }
    }
}

/// An error and its causes in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
