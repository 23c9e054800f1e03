//! A trained model as bytes and back: a versioned manifest and tensors, in the safetensors format.
//!
//! A model file is data: reading one runs nothing, and dimensions are compared with the manifest
//! before anything is built from them. The same model always gives the same bytes.

use std::collections::HashMap;

use ndarray::{Array1, Array2};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::perceptron::Perceptron;
use crate::scalar::Scalar;

/// A trained model with what is needed to use it.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedModel {
    /// The columns it takes, in their order.
    pub inputs: Vec<String>,
    /// The column it predicts.
    pub target: String,
    /// The classes it chooses from, in the order of their indices.
    pub classes: Vec<Scalar>,
    /// Its parameters.
    pub perceptron: Perceptron,
}

/// Why bytes are no model.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The container cannot be read.
    #[error("no safetensors file: {0}")]
    Container(#[from] safetensors::SafeTensorError),
    /// The manifest is missing or cannot be read.
    #[error("no manifest: {0}")]
    Manifest(String),
    /// It was written by a newer version.
    #[error("format version {0}; this version reads up to {FORMAT_VERSION}")]
    Version(u32),
    /// The tensors are not what the manifest says.
    #[error("tensor {name}: {reason}")]
    Tensor {
        /// Which.
        name: &'static str,
        /// Why.
        reason: String,
    },
}

const FORMAT_VERSION: u32 = 1;
const MANIFEST: &str = "trainyard";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format_version: u32,
    model: ModelKind,
    inputs: Vec<String>,
    target: String,
    classes: Vec<Scalar>,
    n_iter: usize,
    converged: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ModelKind {
    Perceptron,
}

impl TrainedModel {
    /// The model as a file's bytes.
    ///
    /// # Errors
    /// When a tensor does not fit the format, which no trained model's does.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ArtifactError> {
        let manifest = Manifest {
            format_version: FORMAT_VERSION,
            model: ModelKind::Perceptron,
            inputs: self.inputs.clone(),
            target: self.target.clone(),
            classes: self.classes.clone(),
            n_iter: self.perceptron.n_iter,
            converged: self.perceptron.converged,
        };
        let manifest = serde_json::to_string(&manifest)
            .map_err(|error| ArtifactError::Manifest(error.to_string()))?;
        let Perceptron {
            coef, intercept, ..
        } = &self.perceptron;
        let coef_bytes: Vec<u8> = coef.iter().flat_map(|value| value.to_le_bytes()).collect();
        let intercept_bytes: Vec<u8> = intercept
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let tensors = [
            (
                "coef",
                TensorView::new(Dtype::F64, coef.shape().to_vec(), &coef_bytes)?,
            ),
            (
                "intercept",
                TensorView::new(Dtype::F64, intercept.shape().to_vec(), &intercept_bytes)?,
            ),
        ];
        // One entry only: the order of a map's entries would change the bytes from run to run.
        let metadata = HashMap::from([(MANIFEST.to_owned(), manifest)]);
        Ok(safetensors::serialize(tensors, Some(metadata))?)
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// When they are no model that this version can use.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let text = metadata
            .metadata()
            .as_ref()
            .and_then(|entries| entries.get(MANIFEST))
            .ok_or_else(|| ArtifactError::Manifest("there is none".to_owned()))?;
        let manifest: Manifest = serde_json::from_str(text)
            .map_err(|error| ArtifactError::Manifest(error.to_string()))?;
        if manifest.format_version > FORMAT_VERSION {
            return Err(ArtifactError::Version(manifest.format_version));
        }
        let n_vectors = match manifest.classes.len() {
            0 | 1 => return Err(ArtifactError::Manifest("fewer than two classes".to_owned())),
            2 => 1,
            n => n,
        };
        let n_features = manifest.inputs.len();
        let tensors = SafeTensors::deserialize(bytes)?;
        let coef = values(&tensors, "coef", &[n_vectors, n_features])?;
        let intercept = values(&tensors, "intercept", &[n_vectors])?;
        let coef = Array2::from_shape_vec((n_vectors, n_features), coef).map_err(|error| {
            ArtifactError::Tensor {
                name: "coef",
                reason: error.to_string(),
            }
        })?;
        Ok(Self {
            inputs: manifest.inputs,
            target: manifest.target,
            classes: manifest.classes,
            perceptron: Perceptron {
                coef,
                intercept: Array1::from_vec(intercept),
                n_iter: manifest.n_iter,
                converged: manifest.converged,
            },
        })
    }
}

fn values(
    tensors: &SafeTensors<'_>,
    name: &'static str,
    shape: &[usize],
) -> Result<Vec<f64>, ArtifactError> {
    let tensor = tensors.tensor(name)?;
    if tensor.dtype() != Dtype::F64 || tensor.shape() != shape {
        let reason = format!(
            "{:?} {:?}, expected F64 {shape:?}",
            tensor.dtype(),
            tensor.shape()
        );
        return Err(ArtifactError::Tensor { name, reason });
    }
    Ok(tensor
        .data()
        .as_chunks()
        .0
        .iter()
        .map(|bytes| f64::from_le_bytes(*bytes))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn model() -> TrainedModel {
        TrainedModel {
            inputs: vec!["a".into(), "b".into()],
            target: "y".into(),
            classes: vec![Scalar::Number(0.0), Scalar::Text("1".into())],
            perceptron: Perceptron {
                coef: array![[0.1, -1e-300]],
                intercept: array![f64::MIN_POSITIVE],
                n_iter: 7,
                converged: true,
            },
        }
    }

    #[test]
    fn a_model_reads_back_bit_for_bit() {
        let bytes = model().to_bytes().unwrap();
        assert_eq!(bytes, model().to_bytes().unwrap());
        assert_eq!(TrainedModel::from_bytes(&bytes).unwrap(), model());
    }

    #[test]
    fn a_damaged_file_is_refused() {
        let bytes = model().to_bytes().unwrap();
        for length in 0..bytes.len() {
            assert!(
                TrainedModel::from_bytes(&bytes[..length]).is_err(),
                "{length} bytes"
            );
        }
    }

    #[test]
    fn tensors_that_do_not_fit_the_manifest_are_refused() {
        let mut wide = model();
        wide.inputs.push("c".into());
        let error = TrainedModel::from_bytes(&wide.to_bytes().unwrap()).unwrap_err();
        assert!(
            matches!(error, ArtifactError::Tensor { name: "coef", .. }),
            "{error}"
        );
        let mut many = model();
        many.classes.push(Scalar::Boolean(true));
        assert!(TrainedModel::from_bytes(&many.to_bytes().unwrap()).is_err());
    }
}
