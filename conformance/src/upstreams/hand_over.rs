//! Lets a run use the ports of an `upstreams` process.
//!
//! The `upstreams` process listens at the control address of its plan file. A run connects and
//! sends one line with the fingerprint of the plan. The process closes its listeners and
//! connections, and answers `released`. When the control connection ends, because the run has ended
//! or died, the process binds the ports again. One run at a time can have the ports.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};

use super::{MockUpstreams, PlanError, PlanFile};

/// The start of a request; the fingerprint of the plan follows.
const REQUEST: &str = "preflight-upstreams release ";
const RELEASED: &str = "released";
const BUSY: &str = "busy";
const OTHER_PLAN: &str = "other plan";

/// How long a peer may take for one line.
const LINE_WITHIN: Duration = Duration::from_secs(5);
/// The longest accepted line, in bytes.
const LINE_BYTES: u64 = 256;
/// How long binding the ports again is tried. The run may still be closing its listeners.
const BIND_WITHIN: Duration = Duration::from_secs(10);
/// The pause between two tries.
const BIND_PAUSE: Duration = Duration::from_millis(100);

/// The right of a run to use the ports. Dropping it returns them.
#[derive(Debug)]
pub struct HandOver {
    _control: TcpStream,
}

/// Why an `upstreams` process did not release its ports.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// Another run has the ports.
    #[error("another run uses these mock upstreams\nwait for its end, or write another plan file")]
    Busy,
    /// The process at the control address has another plan.
    #[error(
        "the `upstreams` process at {0} was started with another plan file\n\
         start it with this plan file, or name its plan file"
    )]
    OtherPlan(std::net::SocketAddr),
    /// The process at the control address is no `upstreams` process.
    #[error(
        "the program at {0}, the control address of the plan file, is no `upstreams` process\n\
         end that program, or write a new plan file"
    )]
    OtherProgram(std::net::SocketAddr),
}

/// What happens in an `upstreams` process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A run has the ports.
    Released,
    /// The mock upstreams serve again.
    Serving,
}

/// Asks the `upstreams` process of this plan for its ports. `None` if it does not run.
///
/// # Errors
///
/// Something listens at the control address and does not release the ports.
pub async fn take_over(plan: &PlanFile) -> Result<Option<HandOver>, HandOverError> {
    let address = plan.control;
    let Ok(mut control) = TcpStream::connect(address).await else {
        return Ok(None);
    };
    let request = format!("{REQUEST}{}\n", plan.fingerprint());
    let reply = match control.write_all(request.as_bytes()).await {
        Ok(()) => read_line(&mut control).await,
        Err(_) => None,
    };
    match reply.as_deref() {
        Some(RELEASED) => Ok(Some(HandOver { _control: control })),
        Some(BUSY) => Err(HandOverError::Busy),
        Some(OTHER_PLAN) => Err(HandOverError::OtherPlan(address)),
        _ => Err(HandOverError::OtherProgram(address)),
    }
}

/// Serves the mock upstreams of a plan, and lends their ports to one run at a time.
///
/// It returns only an error: the ports could not be bound again.
pub async fn serve(
    plan: &PlanFile,
    mut upstreams: MockUpstreams,
    control: &TcpListener,
    report: impl Fn(Event),
) -> PlanError {
    let fingerprint = plan.fingerprint();
    loop {
        let mut run = accepted_run(control, &fingerprint).await;
        upstreams.stop().await;
        report(Event::Released);
        // If the run has died already, the wait for its end returns at once.
        let _ = run.write_all(format!("{RELEASED}\n").as_bytes()).await;
        tokio::select! {
            biased;
            () = ended(&mut run) => {}
            () = refuse_all(control) => {}
        }
        upstreams = match start_again(plan).await {
            Ok(upstreams) => upstreams,
            Err(error) => return error,
        };
        report(Event::Serving);
    }
}

/// Answers every request for the ports with the information that a run has them.
pub async fn refuse_all(control: &TcpListener) {
    loop {
        if let Ok((mut peer, _)) = control.accept().await {
            // A peer that has gone needs no answer.
            let _ = peer.write_all(format!("{BUSY}\n").as_bytes()).await;
        }
    }
}

/// The next run that asks for the ports of this plan.
async fn accepted_run(control: &TcpListener, fingerprint: &str) -> TcpStream {
    loop {
        let Ok((mut peer, _)) = control.accept().await else { continue };
        let Some(line) = read_line(&mut peer).await else { continue };
        let Some(requested) = line.strip_prefix(REQUEST) else { continue };
        if requested == fingerprint {
            return peer;
        }
        // A peer that has gone needs no answer.
        let _ = peer.write_all(format!("{OTHER_PLAN}\n").as_bytes()).await;
    }
}

/// Reads a line without its end. `None` if there is none, or if it is late or too long.
async fn read_line(peer: &mut TcpStream) -> Option<String> {
    let mut line = String::new();
    let mut limited = BufReader::new(peer.take(LINE_BYTES));
    let read = timeout(LINE_WITHIN, limited.read_line(&mut line)).await;
    read.ok()?.ok()?;
    line.strip_suffix('\n').map(str::to_owned)
}

/// Waits until the peer has closed the connection.
async fn ended(peer: &mut TcpStream) {
    let mut bytes = [0; 64];
    while peer.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
}

/// Binds the ports again.
async fn start_again(plan: &PlanFile) -> Result<MockUpstreams, PlanError> {
    let started = Instant::now();
    loop {
        match plan.start().await {
            Err(PlanError::Bind(error))
                if error.kind() == io::ErrorKind::AddrInUse && started.elapsed() < BIND_WITHIN =>
            {
                sleep(BIND_PAUSE).await;
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn a_run_gets_the_ports_and_the_process_binds_them_again() {
        let upstreams = MockUpstreams::start(4).await.unwrap();
        let control = upstreams.bind_control().await.unwrap();
        let plan = PlanFile::new(4, &upstreams, control.local_addr().unwrap());
        let mut other_plan = plan.clone();
        other_plan.random_seed = 5;
        let alpha = plan.listeners[0].address;
        let mut pooled = TcpStream::connect(alpha).await.unwrap();
        let events = Mutex::new(Vec::new());
        let serving = serve(&plan, upstreams, &control, |event| events.lock().unwrap().push(event));
        let run = async {
            let refused = take_over(&other_plan).await;
            assert!(matches!(refused, Err(HandOverError::OtherPlan(_))));
            let hand_over = take_over(&plan).await.unwrap().expect("the process runs");
            ended(&mut pooled).await;
            assert!(matches!(take_over(&plan).await, Err(HandOverError::Busy)));
            let upstreams = plan.start().await.unwrap();
            drop(hand_over);
            // The process now tries to bind ports that are still in use.
            sleep(BIND_PAUSE * 2).await;
            upstreams.stop().await;
            while events.lock().unwrap().last() != Some(&Event::Serving) {
                sleep(Duration::from_millis(5)).await;
            }
            TcpStream::connect(alpha).await.unwrap();
        };
        tokio::select! {
            error = serving => panic!("{error}"),
            ended = timeout(Duration::from_secs(20), run) => ended.unwrap(),
        }
        assert_eq!(*events.lock().unwrap(), [Event::Released, Event::Serving]);
    }

    #[tokio::test]
    async fn other_programs_at_the_control_address_are_recognised() {
        let upstreams = MockUpstreams::start(4).await.unwrap();
        let control = upstreams.bind_control().await.unwrap();
        let plan = PlanFile::new(4, &upstreams, control.local_addr().unwrap());
        let other_program = async {
            loop {
                let (mut peer, _) = control.accept().await.unwrap();
                peer.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            }
        };
        tokio::select! {
            () = other_program => {}
            result = take_over(&plan) => {
                assert!(matches!(result, Err(HandOverError::OtherProgram(_))));
            }
        }
        drop(control);
        assert!(take_over(&plan).await.unwrap().is_none(), "the process does not run");
    }
}
