//! Ctrl-C and SIGTERM: the first asks for an orderly end, a later one ends at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::terminal::leave;

/// What a shell expects of a process that Ctrl-C ended.
const ENDED_BY_SIGNAL: i32 = 130;

/// A signal so soon after the first is the same one, come twice: `timeout` and some supervisors send theirs to the process
/// and then to its group. No person is that quick.
const SAME_WITHIN: Duration = Duration::from_millis(300);

/// A flag that becomes true at the first SIGINT or SIGTERM. The process ends at the next one.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub fn flag() -> io::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (interrupt, terminate) = {
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let raised = Arc::clone(&stop);
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(watch(interrupt, terminate, &raised)))?;
    Ok(stop)
}

async fn watch(mut interrupt: Signal, mut terminate: Signal, stop: &AtomicBool) {
    let mut asked: Option<Instant> = None;
    loop {
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
        stop.store(true, Ordering::Relaxed);
        if asked.get_or_insert_with(Instant::now).elapsed() > SAME_WITHIN {
            leave(ENDED_BY_SIGNAL);
        }
    }
}
