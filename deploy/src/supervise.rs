//! Child processes: started so that they die with this program, watched, shown and stopped.
//!
//! Every child leads its own process group, so that Ctrl-C in a terminal reaches the supervisor only, which
//! then stops the children in its own order.

mod child;
mod output;
mod spawner;
mod stop_signals;

pub(crate) use child::{Child, Part, Show};
pub(crate) use output::Output;
pub(crate) use spawner::Spawner;
pub(crate) use stop_signals::StopSignals;

/// What every child is started with: the thread that starts it and the place where its lines go.
///
/// Keep it until the last child is stopped: the children are killed when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Supervisor {
    /// Starts processes.
    pub(crate) spawner: Spawner,
    /// Shows their lines.
    pub(crate) output: Output,
}

impl Supervisor {
    /// A supervisor that shows the lines of its children on standard error or, if `held`, keeps the last ones
    /// for [`Output::held`]. To be called inside a runtime.
    ///
    /// # Errors
    /// If no thread can be started.
    pub(crate) fn new(held: bool) -> std::io::Result<Supervisor> {
        Ok(Supervisor { spawner: Spawner::start()?, output: Output::start(held)? })
    }
}
