//! `selkie shm bench`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use selkie_shm::bench::{self, Config, End, Program, Report, Size, Transport};

use crate::exit::Outcome;

#[derive(Debug, Args)]
pub struct BenchArgs {
    /// A message's size in bytes, as in 64, 4K or 8M (repeatable) [default: 64, 4K, 64K, 1M and 8M]
    #[arg(long, value_name = "BYTES")]
    pub size: Vec<Size>,
    /// How it gets across (repeatable) [default: each of them]
    #[arg(long, value_name = "NAME")]
    pub transport: Vec<Transport>,
    /// Measure everything so many times
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// About how long all of it may take
    #[arg(long, value_name = "N", default_value = "40", value_parser = crate::cli::seconds)]
    pub seconds: f64,
    /// At most so many messages for one number [default: as many as there is time for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub messages: Option<u64>,
    /// A directory on a disk, for the file that is mapped [default: that for temporary files]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// How to write the results
    #[arg(long, value_enum, default_value_t)]
    pub format: BenchFormat,
    /// Draw them too
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
}

/// How the results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum BenchFormat {
    /// For people
    #[default]
    Table,
    /// For programs: one object
    Json,
}

/// What was asked for and cannot be done.
#[derive(Debug, thiserror::Error)]
enum BenchError {
    #[error("cannot write the plot {path:?}")]
    Plot { path: PathBuf, source: io::Error },
}

/// Measures and prints.
pub fn run(args: BenchArgs) -> Outcome {
    let plot = args.plot.as_deref().map(Plot::open).transpose()?;
    let config = Config {
        transports: without_repeats(args.transport, &Transport::ALL),
        sizes: without_repeats(args.size, &Size::USUAL),
        rounds: args.rounds,
        time: Duration::from_secs_f64(args.seconds),
        messages: args.messages,
        dir: args.dir.unwrap_or_else(std::env::temp_dir),
        peer: Program {
            program: std::env::current_exe()?,
            arguments: vec!["shm".into(), "bench-peer".into()],
        },
    };
    let report = measure(&config)?;
    if let Some(plot) = plot {
        plot.write(&report)?;
    }
    let mut out = io::stdout().lock();
    match args.format {
        BenchFormat::Table => write!(out, "{report}")?,
        BenchFormat::Json => {
            serde_json::to_writer_pretty(&mut out, &report)?;
            writeln!(out)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Is the other process.
pub fn peer() -> Outcome {
    Ok(match bench::peer()? {
        End::Dismissed => ExitCode::SUCCESS,
        // The other process says it.
        End::Failed => ExitCode::FAILURE,
    })
}

/// Measures, with a bar on standard error if that is a terminal.
fn measure(config: &Config) -> Result<Report, bench::BenchError> {
    let bar = ProgressBar::no_length();
    // The template is ours and is right; should it not be, there is the bar that comes with the library.
    if let Ok(style) = ProgressStyle::with_template("{msg:32} [{bar:30}] {pos}/{len}, {eta} left") {
        bar.set_style(style.progress_chars("=> "));
    }
    let report = bench::run(config, |now| {
        bar.set_length(now.steps);
        bar.set_position(now.done);
        bar.set_message(format!("round {}: {}, {}", now.round, now.transport, now.size));
    });
    bar.finish_and_clear();
    report
}

/// What was asked for, each once, or else what is usual.
fn without_repeats<T: Copy + PartialEq>(asked: Vec<T>, usual: &[T]) -> Vec<T> {
    let mut all: Vec<T> = Vec::new();
    for one in if asked.is_empty() { usual.to_vec() } else { asked } {
        if !all.contains(&one) {
            all.push(one);
        }
    }
    all
}

/// The file for the plot. It is opened before anything is measured: after a minute it would be late to say that it cannot be.
struct Plot {
    path: PathBuf,
    file: Option<File>,
    /// Whether it is there only because we made it.
    ours: bool,
}

impl Plot {
    fn open(path: &Path) -> Result<Plot, BenchError> {
        let failed = |source| BenchError::Plot { path: path.to_owned(), source };
        match OpenOptions::new().write(true).create_new(true).open(path) {
            Ok(file) => Ok(Plot { path: path.to_owned(), file: Some(file), ours: true }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
                Ok(Plot { path: path.to_owned(), file: Some(file), ours: false })
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn write(mut self, report: &Report) -> Result<(), Box<dyn std::error::Error>> {
        let text = bench::plot(report)?;
        if let Some(mut file) = self.file.take() {
            let written = file.write_all(text.as_bytes()).and_then(|()| file.set_len(text.len() as u64));
            // /dev/stdout and the like have no length to be set.
            let written =
                written.or_else(|e| if e.kind() == io::ErrorKind::InvalidInput { Ok(()) } else { Err(e) });
            written.map_err(|source| BenchError::Plot { path: self.path.clone(), source })?;
        }
        Ok(())
    }
}

impl Drop for Plot {
    fn drop(&mut self) {
        if self.ours && self.file.is_some() {
            // Nothing was measured, so nothing was drawn; an empty file that stays is not worth a second error.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
