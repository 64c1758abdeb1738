//! `demo --serve`: the page of the world in which the story has just ended.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::{io, thread};

use tokio::sync::oneshot;

use crate::cli::demo::Time;
use crate::cli::demo::stage::broken;
use crate::cli::demo::story::Story;
use crate::cli::failure::{Exit, Failure};
use crate::cli::run::asked;
use crate::cli::{Session, serving};
use crate::web;
use crate::web::{ConnectionLimits, Site};
use writerlink_engine::telemetry::event::EventSinks;

/// The socket of the page, before the story is told: who cannot have it learns so at once.
pub(super) fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let bind = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(|error: io::Error| serving::unanswered(serving::DEMO, address, &error))
}

/// Shows the page until the process is asked to stop. It is answered on the world's own runtime, whose clock stands
/// while nobody in it waits: what is seen is the moment at which the story ended.
pub(super) async fn until_stopped(
    (story, mut time): (Story, Time),
    listener: TcpListener,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let runtime = time.0.take();
    let runtime = runtime.ok_or_else(|| broken("its time has ended"))?;
    let stops = session.connect.process()?.stops;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serve = move || runtime.block_on(answer(&story, listener, stopped));
    let server = thread::Builder::new().name("page".to_owned()).spawn(serve)?;
    writeln!(session.err, "\nThe page of this world is at http://{address}/ until you stop it (Ctrl-C).")?;
    session.out.flush()?;
    asked(stops, 1).await;
    drop(stop);
    let ended = server.join();
    ended.map_err(|_| broken("a part of it panicked; see above"))??;
    Ok(Exit::Done)
}

/// Answers until nobody holds the other end of `stopped` any more.
async fn answer(story: &Story, listener: TcpListener, stopped: oneshot::Receiver<()>) -> io::Result<()> {
    let fleet = &story.stage.fleet;
    let ports = fleet.ports(&fleet.world.process("page"));
    // No configuration was read, and no installation is shown.
    let routes = [Some(story.stage.route.clone()), story.relayed.clone()].into_iter().flatten().collect();
    let site = Site::new(&ports, routes, None);
    // The clock of this world would run ahead to the end of any time that a viewer is given.
    let limits = ConnectionLimits { head_within: None, ..ConnectionLimits::default() };
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let nobody = Arc::new(EventSinks(Vec::new()));
    let _server = web::answer(listener, site.router(), limits, nobody)?;
    // Either way of ending says the same.
    stopped.await.unwrap_or_default();
    Ok(())
}
