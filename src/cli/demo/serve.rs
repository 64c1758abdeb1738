//! `demo --serve`: the page of the world in which the story has just ended.

use std::io;
use std::net::SocketAddr;
use std::thread;

use tokio::sync::oneshot;

use super::Time;
use super::stage::broken;
use super::story::Story;
use crate::cli::failure::{Exit, Failure};
use crate::cli::run::asked;
use crate::cli::{Session, serving};
use crate::web::{self, Site};

/// Shows the page until the process is asked to stop. It is answered on the world's own runtime, whose clock stands
/// while nobody in it waits: what is seen is the moment at which the story ended.
pub(super) async fn until_stopped(
    (story, mut time): (Story, Time),
    address: SocketAddr,
    session: &mut Session<'_>,
) -> Result<Exit, Failure> {
    let runtime = time.0.take();
    let runtime = runtime.ok_or_else(|| broken("its time has ended"))?;
    let stops = session.connect.process()?.stops;
    let (listening, listened) = oneshot::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let serve = move || runtime.block_on(answer(&story, address, (listening, stopped)));
    let server = thread::Builder::new()
        .name("page".to_owned())
        .spawn(serve)?;
    let listens = listened.await.map_err(broken)?;
    let listens = listens.map_err(|error| serving::unanswered(serving::DEMO, address, &error))?;
    writeln!(
        session.err,
        "\nThe page of this world is at http://{listens}/ until you stop it (Ctrl-C)."
    )?;
    session.out.flush()?;
    asked(stops, 1).await;
    drop(stop);
    server
        .join()
        .map_err(|_| broken("a part of it panicked; see above"))?;
    Ok(Exit::Done)
}

/// Says where the page is answered, and ends when nobody holds the other end of `stopped` any more.
async fn answer(
    story: &Story,
    address: SocketAddr,
    (listening, stopped): (
        oneshot::Sender<io::Result<SocketAddr>>,
        oneshot::Receiver<()>,
    ),
) {
    let fleet = &story.stage.fleet;
    let ports = fleet.ports(&fleet.world.process("page"));
    let site = Site::new(&ports, [story.stage.route.clone()].into());
    let address = web::listen(address, site.router()).await;
    if listening.send(address).is_ok() {
        // Either way of ending says the same.
        stopped.await.unwrap_or_default();
    }
}
