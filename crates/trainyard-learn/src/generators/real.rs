//! The small real datasets that scikit-learn ships: iris, wine and breast cancer.
//!
//! The numbers are embedded in the program; `data/README.md` says where they come from. Nothing is
//! scaled, shuffled or otherwise prepared.

use ndarray::Array2;

use super::Generated;

/// A dataset in an embedded file, with the names that the file lacks.
#[derive(Debug)]
pub(super) struct Dataset {
    /// A header with the class names, then a line for each sample that ends in its label.
    csv: &'static str,
    feature_names: &'static [&'static str],
    target_name: &'static str,
}

pub(super) static IRIS: Dataset = Dataset {
    csv: include_str!("../../data/iris.csv"),
    feature_names: &["sepal_length", "sepal_width", "petal_length", "petal_width"],
    target_name: "species",
};

pub(super) static WINE: Dataset = Dataset {
    csv: include_str!("../../data/wine.csv"),
    feature_names: &[
        "alcohol",
        "malic_acid",
        "ash",
        "alcalinity_of_ash",
        "magnesium",
        "total_phenols",
        "flavanoids",
        "nonflavanoid_phenols",
        "proanthocyanins",
        "color_intensity",
        "hue",
        "od280_od315_of_diluted_wines",
        "proline",
    ],
    target_name: "cultivar",
};

pub(super) static BREAST_CANCER: Dataset = Dataset {
    csv: include_str!("../../data/breast_cancer.csv"),
    feature_names: &[
        "mean_radius",
        "mean_texture",
        "mean_perimeter",
        "mean_area",
        "mean_smoothness",
        "mean_compactness",
        "mean_concavity",
        "mean_concave_points",
        "mean_symmetry",
        "mean_fractal_dimension",
        "radius_error",
        "texture_error",
        "perimeter_error",
        "area_error",
        "smoothness_error",
        "compactness_error",
        "concavity_error",
        "concave_points_error",
        "symmetry_error",
        "fractal_dimension_error",
        "worst_radius",
        "worst_texture",
        "worst_perimeter",
        "worst_area",
        "worst_smoothness",
        "worst_compactness",
        "worst_concavity",
        "worst_concave_points",
        "worst_symmetry",
        "worst_fractal_dimension",
    ],
    target_name: "diagnosis",
};

impl Dataset {
    /// Reads the embedded file.
    ///
    /// # Panics
    ///
    /// If the file is not what its header says, which no request can bring about.
    pub(super) fn load(&self) -> Generated {
        let mut lines = self.csv.lines();
        // The header also counts rows and features, which the lines themselves show.
        let class_names: Vec<String> =
            lines.next().unwrap_or_default().split(',').skip(2).map(str::to_owned).collect();
        let n_features = self.feature_names.len();
        let mut cells = Vec::new();
        let mut y = Vec::new();
        for line in lines {
            let (features, label) = line.rsplit_once(',').expect("an embedded row ends in a label");
            for feature in features.split(',') {
                cells.push(feature.parse().expect("an embedded feature is a number"));
            }
            y.push(label.parse().expect("an embedded label is an integer"));
        }
        Generated {
            feature_names: self.feature_names.iter().map(|&name| name.to_owned()).collect(),
            target_name: self.target_name.to_owned(),
            x: Array2::from_shape_vec((y.len(), n_features), cells)
                .expect("an embedded row has a number for each feature"),
            y,
            class_names: Some(class_names),
        }
    }
}
