//! `selkie client`.

use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;

use selkie_client::{BufferKind, Config, Event, Hooks, Scene, Statistics};

use crate::cli::ClientArgs;
use crate::exit::Outcome;

/// Shows the pattern, and prints what came of it.
pub fn run(args: ClientArgs) -> Outcome {
    let hooks = Hooks { stop: None, observer: Some(Box::new(tell(args.buffer))) };
    let (statistics, result) = selkie_client::run_with(config(args), hooks);
    result?;
    print(&statistics);
    Ok(ExitCode::SUCCESS)
}

fn config(args: ClientArgs) -> Config {
    Config {
        title: args.title,
        pattern: args.pattern,
        size: args.size,
        resizable: !args.fixed_size,
        format: args.format,
        alpha: args.alpha,
        buffers: args.buffers,
        frames: args.frames,
        hold: args.hold,
        pace: !args.no_pace,
        redraw: args.redraw,
        buffer: args.buffer,
        device: args.device,
        memory: args.memory,
        seals: args.seals.0,
        scene: Scene {
            transform: args.transform,
            scale: args.scale,
            viewport_source: args.crop,
            viewport_destination: args.scale_to,
            subsurfaces: args.subsurface,
            stride_padding: args.stride_padding,
            offset: args.offset,
            clear_unused: args.clear_unused,
            freeze_main_after: args.freeze_main_after,
        },
        shrink_after: args.shrink_after,
        report: args.report,
        signals: true,
        ..Config::default()
    }
}

/// Says which frame is on the screen once it stays there (`--hold`): whoever takes pictures of it waits for this. And which
/// kind of buffers was taken, if that was left open.
fn tell(kind: BufferKind) -> impl FnMut(&Event<'_>) -> ControlFlow<()> {
    let mut last = 0;
    move |event| {
        match event {
            Event::Presented { frame } => last = *frame,
            Event::Held => {
                // Whoever listened may have gone; the window stays.
                let _ = writeln!(std::io::stdout(), "holding frame {last}");
            }
            Event::Buffers(buffers) if kind == BufferKind::Auto => {
                for why in &buffers.refused {
                    let _ = writeln!(std::io::stderr(), "selkie: not {why}");
                }
                let _ = writeln!(std::io::stderr(), "selkie: buffers are {buffers}");
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn print(s: &Statistics) {
    println!(
        "{} {} {}, {} in {:.2} s ({:.1}/s)",
        s.pattern,
        s.size,
        s.format,
        plural(s.presented),
        s.seconds,
        s.rate
    );
    println!("  buffers: {}", s.buffers);
    let latency = |name: &str, l: &selkie_client::Latency| {
        if l.count > 0 {
            println!("  {name}: p50 {} us, p99 {} us", l.p50_us, l.p99_us);
        }
    };
    latency("commit to present", &s.commit_to_present);
    latency("commit to release", &s.commit_to_release);
    println!("  shown without a copy, says the compositor: {} of {}", s.zero_copy, s.presented);
    if let Some(shrink) = &s.shrink {
        println!("  ftruncate from {} to {} bytes: {}", shrink.from, shrink.to, shrink.text);
    }
    match &s.first_record {
        Some(r) => println!(
            "  the compositor's ledger: {} of {} bytes, seals {}, {}; policy {}{}, {}; {}, {} bytes copied",
            r.kind,
            r.size,
            r.seals_text(),
            r.verdict,
            r.policy,
            if r.adopted { " (seal added)" } else { "" },
            if r.guarded { "read under a guard" } else { "never mapped" },
            r.path,
            s.records.iter().map(|r| r.bytes_copied).sum::<u64>(),
        ),
        None => println!("  the compositor keeps no ledger"),
    }
}

fn plural(frames: u64) -> String {
    if frames == 1 { "1 frame".to_owned() } else { format!("{frames} frames") }
}
