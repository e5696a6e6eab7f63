//! Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell expects of a process that Ctrl-C ended.
const ENDED_BY_SIGNAL: i32 = 130;

/// A flag that becomes true at the first SIGINT or SIGTERM. The process ends at the second.
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
    loop {
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
        if stop.swap(true, Ordering::Relaxed) {
            std::process::exit(ENDED_BY_SIGNAL);
        }
    }
}
