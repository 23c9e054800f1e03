//! Learning-rate schedules against PyTorch's.

mod common;

use common::{golden, variants};
use serde::Deserialize;
use serde_json::{Value, json};
use trainyard_learn::schedule::ScheduleSpec;

#[derive(Deserialize)]
struct Golden {
    schedules: Schedules,
}

#[derive(Deserialize)]
struct Schedules {
    base_learning_rate: f64,
    steps_per_epoch: u64,
    epochs: u64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    spec: Value,
    per: Per,
    learning_rates: Vec<f64>,
    losses: Option<Vec<Option<f64>>>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Per {
    Epoch,
    Step,
}

#[test]
fn every_learning_rate_is_pytorchs() {
    let Golden { schedules } = golden("optim.json");
    let Schedules { base_learning_rate, steps_per_epoch, epochs, cases } = schedules;
    let mut worst = 0.0_f64;
    for case in &cases {
        let spec: ScheduleSpec = serde_json::from_value(case.spec.clone()).unwrap();
        assert!(spec.check().is_empty(), "{}", case.spec);
        let mut schedule = spec.start(base_learning_rate, steps_per_epoch, epochs);
        for epoch in 0..epochs {
            for step in epoch * steps_per_epoch..(epoch + 1) * steps_per_epoch {
                let expected = match case.per {
                    Per::Epoch => case.learning_rates[epoch as usize],
                    Per::Step => case.learning_rates[step as usize],
                };
                let rate = schedule.learning_rate(step);
                let deviation = if rate == expected { 0.0 } else { (rate / expected - 1.0).abs() };
                assert!(deviation < 1e-12, "{} step {step}: {deviation:e}", case.spec);
                worst = worst.max(deviation);
            }
            let loss = case.losses.as_ref().map_or(Some(1.0), |losses| losses[epoch as usize]);
            schedule.end_epoch(loss.unwrap_or(f64::NAN));
        }
    }
    println!("{} schedules, the worst relative deviation is {worst:e}", cases.len());
}

#[test]
fn every_schedule_is_among_the_examples_and_the_cases() {
    let Golden { schedules } = golden("optim.json");
    for name in variants::<ScheduleSpec>() {
        let of_name = |spec: &ScheduleSpec| serde_json::to_value(spec).unwrap()["type"] == *name;
        assert!(ScheduleSpec::examples().iter().any(of_name), "{name} is no example");
        assert!(
            schedules.cases.iter().any(|case| case.spec["type"] == *name),
            "{name} has no case"
        );
    }
}

#[test]
fn learning_rates_are_finite_and_positive_whatever_the_length() {
    for spec in ScheduleSpec::examples() {
        for (steps_per_epoch, epochs) in [(1, 1), (1, 2), (3, 1), (1, 200), (13, 17)] {
            let mut schedule = spec.start(0.1, steps_per_epoch, epochs);
            for epoch in 0..epochs {
                for step in epoch * steps_per_epoch..(epoch + 1) * steps_per_epoch {
                    let rate = schedule.learning_rate(step);
                    assert!(rate > 0.0 && rate <= 0.1 + 1e-15, "{spec:?} step {step}: {rate}");
                }
                schedule.end_epoch(1.0);
            }
            assert!(schedule.learning_rate(steps_per_epoch * epochs).is_finite());
        }
    }
}

#[test]
fn a_warm_up_of_part_of_an_epoch_delays_the_schedule_to_the_next_epoch() {
    let spec = json!({"type": "step", "step_size": 1, "gamma": 0.5, "warmup_epochs": 0.5, "warmup_start_factor": 0.5});
    let schedule = serde_json::from_value::<ScheduleSpec>(spec).unwrap().start(1.0, 4, 3);
    let rates: Vec<f64> = (0..12).map(|step| schedule.learning_rate(step)).collect();
    assert_eq!(rates, [0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]);
}

#[test]
fn a_plateau_in_the_warm_up_does_not_count() {
    let spec = json!({"type": "reduce_on_plateau", "patience": 1, "warmup_epochs": 3});
    let mut schedule = serde_json::from_value::<ScheduleSpec>(spec).unwrap().start(1.0, 1, 20);
    let rates: Vec<f64> = (0..8)
        .map(|epoch| {
            let rate = schedule.learning_rate(epoch);
            schedule.end_epoch(1.0);
            rate
        })
        .collect();
    assert_eq!(rates[3..], [1.0, 1.0, 1.0, 0.1, 0.1]);
}

#[test]
fn every_example_survives_json_and_is_valid() {
    for spec in ScheduleSpec::examples() {
        assert!(spec.check().is_empty(), "{spec:?}");
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<ScheduleSpec>(&text).unwrap(), spec);

        let mut schedule = spec.start(0.1, 3, 10);
        schedule.end_epoch(0.5);
        let text = serde_json::to_string(&schedule).unwrap();
        assert_eq!(
            serde_json::from_str::<trainyard_learn::schedule::Schedule>(&text).unwrap(),
            schedule
        );
    }
}

#[test]
fn what_is_out_of_range_is_named() {
    for (spec, pointer) in [
        (json!({"type": "step", "step_size": 0}), "/step_size"),
        (json!({"type": "step", "step_size": 3, "gamma": 0.0}), "/gamma"),
        (json!({"type": "multi_step", "milestones": [3], "gamma": -0.1}), "/gamma"),
        (json!({"type": "multi_step", "milestones": vec![1; 1001]}), "/milestones"),
        (json!({"type": "exponential", "gamma": 1.5}), "/gamma"),
        (json!({"type": "polynomial", "total_epochs": 0}), "/total_epochs"),
        (json!({"type": "polynomial", "power": -1}), "/power"),
        (json!({"type": "cosine", "eta_min": -1e-3}), "/eta_min"),
        (json!({"type": "cosine", "restarts": {"period": 0}}), "/restarts/period"),
        (json!({"type": "cosine", "restarts": {"multiplier": 0}}), "/restarts/multiplier"),
        (json!({"type": "one_cycle", "pct_start": 1.1}), "/pct_start"),
        (json!({"type": "one_cycle", "div_factor": 0}), "/div_factor"),
        (json!({"type": "reduce_on_plateau", "factor": 1.0}), "/factor"),
        (json!({"type": "inverse_sqrt", "warmup_epochs": -1}), "/warmup_epochs"),
        (json!({"type": "constant", "warmup_start_factor": 0}), "/warmup_start_factor"),
    ] {
        let parsed: ScheduleSpec = serde_json::from_value(spec.clone()).unwrap();
        let pointers: Vec<String> = parsed.check().into_iter().map(|p| p.pointer).collect();
        assert_eq!(pointers, [pointer], "{spec}");
    }
}

#[test]
fn what_is_unknown_or_missing_is_refused() {
    for spec in [
        json!({"type": "linear"}),
        json!({"type": "constant", "gamma": 0.1}),
        json!({"type": "step"}),
        json!({"type": "step", "step_size": 3, "patience": 1}),
        json!({"type": "cosine", "restarts": {"t_0": 3}}),
        json!({"type": "exponential"}),
        json!({"type": "multi_step"}),
        json!({"type": "reduce_on_plateau", "threshold_mode": "relative"}),
    ] {
        assert!(serde_json::from_value::<ScheduleSpec>(spec.clone()).is_err(), "{spec}");
    }
}
