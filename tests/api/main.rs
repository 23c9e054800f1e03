//! The service as a client meets it: each test starts a server of its own on a free port.

#![expect(
    unreachable_pub,
    clippy::unwrap_used,
    reason = "nothing outside could reach it, and a test may fail where it stands"
)]

mod architecture;
mod bad_files;
mod bombs;
mod checkpoints;
mod cli;
mod cluster;
mod compare;
mod corpus;
mod curves;
mod datasets;
mod decoders;
mod deploy;
mod deployed;
mod described;
mod documented;
mod evaluate;
mod formats;
mod full;
mod hostile;
mod jobs;
mod kills;
mod large;
mod learning;
mod leases;
mod live;
mod metrics_scored;
mod models;
mod nested;
mod networks;
mod offered;
mod operations;
mod outages;
mod output;
mod overlap;
mod preparation;
mod process;
mod readme;
mod receiver;
mod reports;
mod resumes;
mod rounds;
mod schedules;
mod scheduling;
mod schemas;
mod servers;
mod splits;
mod suggestions;
mod support;
mod sweeps;
mod targets;
mod traces;
mod turns;
mod upkeep;
mod ways_out;
mod webhooks;
mod yard;
mod zombies;
