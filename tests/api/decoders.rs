//! Model files and packed predictions, damaged by seeded dice: whoever reads them says that they are
//! none, or has a model that can be used. (Files of data: `crates/trainyard-formats/tests/fuzz.rs`.)
//!
//! `FUZZ_SECONDS` in the environment says for how long, `SEED` where the dice begin.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trainyard::domain::predictions::FoldPredictions;
use trainyard_learn::artifact::TrainedModel;
use trainyard_learn::kernels::Crew;
use trainyard_learn::model::{Predicted, Truth};

use crate::rounds::{Dice, report, rounds, seed};
use crate::support::World;

/// Numbers at which code that counts goes wrong, as text and as bytes.
const ODD: [i64; 8] = [0, 1, -1, 255, 65_536, i32::MAX as i64, 1 << 40, i64::MAX];

fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        if bytes.is_empty() {
            return;
        }
        // Most of a model file is numbers; what can be damaged is at its beginning.
        let most = if dice.below(2) == 0 { bytes.len().min(600) } else { bytes.len() };
        let at = dice.below(most);
        let odd = ODD[dice.below(ODD.len())];
        match dice.below(6) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = b"\"{}[],:0919-.e"[dice.below(14)],
            2 => bytes.truncate(at),
            3 => _ = bytes.splice(at..at, odd.to_string().bytes()),
            4 => {
                let n = 8.min(bytes.len() - at);
                bytes[at..at + n].copy_from_slice(&odd.to_le_bytes()[..n]);
            }
            _ => {
                let end = (at + dice.below(64)).min(bytes.len());
                bytes.drain(at..end);
            }
        }
    }
}

/// Damages each of these, in turn, until the time is over.
fn fuzz(what: &str, files: &[Vec<u8>], short: usize, read: impl Fn(&[u8])) {
    let mut dice = Dice::new(seed());
    let seconds = rounds("FUZZ_SECONDS", 0);
    let (start, until) = (Instant::now(), Duration::from_secs(seconds as u64));
    let mut n = 0;
    while if seconds > 0 { start.elapsed() < until } else { n < short } {
        let mut bytes = files[n % files.len()].clone();
        damage(&mut bytes, &mut dice);
        let once = Instant::now();
        read(&bytes);
        assert!(once.elapsed() < Duration::from_secs(10), "{what}: seed {}, {n}", seed());
        n += 1;
    }
    report(&format!("fuzzing: {what}"), n, "no panic");
}

fn changed(spec: &Value, changes: &Value) -> Value {
    let mut spec = spec.clone();
    spec.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    spec
}

/// The files of a model of each kind, as the server has written them.
fn model_files() -> Vec<Vec<u8>> {
    let world = World::new();
    let rows: String = (0..60)
        .map(|i| format!("{i},{},{},{}\n", i * 7 % 11, ["a", "b", "c"][i % 3], i % 2))
        .collect();
    let dataset = world.api.dataset(&format!("x,z,kind,y\n{rows}"));
    let base = json!({"dataset_id": dataset, "target": "y", "training": {"epochs": 2}});
    let layers = json!([
        {"type": "dense", "units": 5}, {"type": "batch_norm"},
        {"type": "residual", "layers": [{"type": "layer_norm"}, {"type": "dense", "units": 5}]},
        {"type": "activation", "activation": "relu"}, {"type": "dense"}
    ]);
    let jobs = [
        json!({"dataset_id": dataset, "target": "y", "model": {"type": "perceptron"}}),
        changed(&base, &json!({"model": {"type": "linear"}, "target": "x"})),
        changed(&base, &json!({"model": {"type": "mlp", "hidden": [4]}, "target": "kind"})),
        changed(&base, &json!({"model": {"type": "network", "layers": layers}})),
    ];
    let mut files = Vec::new();
    for job in &jobs {
        let job = world.api.run(job);
        assert_eq!(job["status"], "succeeded", "{job}");
        let model = job["result"]["model_id"].as_str().unwrap();
        let card = world.api.get(&format!("/v1/models/{model}")).expect(200);
        let name = card["sha256"].as_str().unwrap();
        let path = world.directory.path().join("blobs").join(&name[..2]).join(name);
        files.push(std::fs::read(path).unwrap());
    }
    files
}

#[test]
fn damaged_model_files_are_none_or_can_be_used() {
    let files = model_files();
    assert!(files.iter().all(|bytes| TrainedModel::from_bytes(bytes).is_ok()));
    fuzz("model files", &files, 4_000, |bytes| {
        let Ok(model) = TrainedModel::from_bytes(bytes) else { return };
        let n_features = model.preprocessor.n_features();
        if n_features > 0 && n_features < 10_000 {
            let x = vec![0.5; n_features * 2];
            let _ = model.predict(&x, n_features, &mut Crew::new(1));
        }
    });
}

#[test]
fn damaged_predictions_are_none_or_whole() {
    let rows = vec![1, 4, 5];
    let classes = || Truth::Classes(vec![0, 1, 1]);
    let (prediction, probabilities) = (vec![1, 1, 0], vec![0.5; 6]);
    let decisions = Predicted::Decisions {
        prediction: prediction.clone(),
        decision: vec![0.1, 0.2, -1.0],
        n_values: 1,
    };
    let chances =
        Predicted::Probabilities { prediction, probabilities: probabilities.clone(), n_classes: 2 };
    let values = Predicted::Values { values: probabilities, n_outputs: 2 };
    let all = [(classes(), decisions), (classes(), chances), (Truth::Values(vec![0.5; 6]), values)];
    let files = all
        .map(|(truth, predicted)| FoldPredictions { rows: rows.clone(), truth, predicted }.pack());
    fuzz("packed predictions", &files, 20_000, |bytes| {
        if let Some(read) = FoldPredictions::unpack(bytes) {
            assert_eq!(read.pack(), bytes);
        }
    });
}
