//! Which globals pickles of models may name: what scikit-learn, NumPy, SciPy, PyTorch, pandas and boosted trees need, and
//! nothing that reads files, runs programs or makes code out of text.

use crate::project::manifest::Pickles;

/// What is known of a global.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Making it does no harm.
    Safe,
    /// Nothing is known.
    Unknown,
    /// It runs programs, makes code out of text, or reaches what does.
    Dangerous,
}

impl Known {
    /// What is known of `module.name`, and what the user allows.
    pub fn of(global: &str, allowed: &Pickles) -> Self {
        if allowed.allow.iter().any(|pattern| pattern == global) {
            return Self::Safe;
        }
        let (module, name) = global.rsplit_once('.').unwrap_or(("", global));
        if is_dangerous(module, name) {
            return Self::Dangerous;
        }
        let is_below = |pattern: &String| {
            let prefix = pattern.strip_suffix('*').filter(|prefix| prefix.ends_with('.'));
            prefix.is_some_and(|prefix| global.starts_with(prefix))
        };
        match is_safe(module, name) || allowed.allow.iter().any(is_below) {
            true => Self::Safe,
            false => Self::Unknown,
        }
    }
}

/// Modules of Python that do harm in the hands of others, with all that is below them.
const DANGEROUS_MODULES: [&str; 52] = [
    "os",
    "posix",
    "nt",
    "ntpath",
    "posixpath",
    "subprocess",
    "_posixsubprocess",
    "sys",
    "importlib",
    "imp",
    "pkgutil",
    "runpy",
    "code",
    "codeop",
    "pdb",
    "bdb",
    "pty",
    "tty",
    "shutil",
    "socket",
    "_socket",
    "ssl",
    "http",
    "urllib",
    "urllib2",
    "ftplib",
    "smtplib",
    "telnetlib",
    "webbrowser",
    "ctypes",
    "_ctypes",
    "cffi",
    "multiprocessing",
    "_multiprocessing",
    "asyncio",
    "pickle",
    "_pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "marshal",
    "shelve",
    "types",
    "inspect",
    "operator",
    "_operator",
    "timeit",
    "cProfile",
    "profile",
    "doctest",
    "distutils",
    "pip",
];
/// What is safe among the modules that hold both.
const SAFE_BUILTINS: [&str; 20] = [
    "set",
    "frozenset",
    "list",
    "dict",
    "tuple",
    "int",
    "float",
    "bool",
    "complex",
    "bytes",
    "bytearray",
    "str",
    "slice",
    "range",
    "object",
    "xrange",
    "long",
    "unicode",
    "Ellipsis",
    "NotImplemented",
];
/// NumPy's functions of arrays alone, which people give to `FunctionTransformer`.
const OF_ARRAYS: [&str; 54] = [
    "abs",
    "absolute",
    "add",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "around",
    "asarray",
    "atleast_2d",
    "cbrt",
    "ceil",
    "clip",
    "cos",
    "cosh",
    "deg2rad",
    "degrees",
    "divide",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "floor",
    "hstack",
    "isfinite",
    "isnan",
    "log",
    "log10",
    "log1p",
    "log2",
    "max",
    "maximum",
    "mean",
    "median",
    "min",
    "minimum",
    "multiply",
    "nan_to_num",
    "negative",
    "rad2deg",
    "ravel",
    "reciprocal",
    "rint",
    "round",
    "sign",
    "sin",
    "sqrt",
    "square",
    "sum",
    "tanh",
    "trunc",
];
/// Functions that build safe values.
const SAFE: [&str; 72] = [
    "copyreg._reconstructor",
    "copy_reg._reconstructor",
    "_codecs.encode",
    "collections.OrderedDict",
    "collections.defaultdict",
    "collections.deque",
    "collections.Counter",
    "datetime.date",
    "datetime.datetime",
    "datetime.time",
    "datetime.timedelta",
    "datetime.timezone",
    "decimal.Decimal",
    "fractions.Fraction",
    "uuid.UUID",
    "pathlib.PosixPath",
    "pathlib.PurePosixPath",
    "array.array",
    "array._array_reconstructor",
    "joblib.numpy_pickle.NumpyArrayWrapper",
    "numpy.ndarray",
    "numpy.dtype",
    "numpy.matrix",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.core.numeric._frombuffer",
    "numpy._core.multiarray._reconstruct",
    "numpy._core.multiarray.scalar",
    "numpy._core.numeric._frombuffer",
    "numpy.ma.MaskedArray",
    "numpy.ma.core.MaskedArray",
    "numpy.ma.core._mareconstruct",
    "numpy.random._pickle.__randomstate_ctor",
    "numpy.random._pickle.__bit_generator_ctor",
    "numpy.random._pickle.__generator_ctor",
    "numpy.random.bit_generator.SeedSequence",
    "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
    "numpy.random._mt19937.MT19937",
    "numpy.random._pcg64.PCG64",
    "numpy.random._pcg64.PCG64DXSM",
    "numpy.random._philox.Philox",
    "numpy.random._sfc64.SFC64",
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "scipy.interpolate._bsplines.BSpline",
    "scipy.interpolate._cubic.CubicSpline",
    "scipy.interpolate._cubic.PchipInterpolator",
    "scipy.interpolate._interpolate.PPoly",
    "scipy.interpolate._interpolate.interp1d",
    "scipy.interpolate.interpolate.interp1d",
    "scipy.spatial._ckdtree.cKDTree",
    "scipy.spatial._kdtree.KDTree",
    "pandas.core.indexes.base._new_Index",
    "pandas.core.internals.managers.BlockManager",
    "pandas.core.internals.managers.SingleBlockManager",
    "pandas.core.internals.blocks.new_block",
    "pandas._libs.internals._unpickle_block",
    "pandas._libs.internals.BlockPlacement",
    "pandas._libs.arrays.__pyx_unpickle_NDArrayBacked",
    "torch.Size",
    "torch.Tensor",
    "torch.device",
    "torch.nn.parameter.Parameter",
    "torch.nn.parameter.Buffer",
    "torch.serialization._get_layout",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._utils._rebuild_qtensor",
    "torch._utils._rebuild_sparse_tensor",
    "torch._utils._rebuild_device_tensor_from_numpy",
];

fn is_dangerous(module: &str, name: &str) -> bool {
    let top = module.split('.').next().unwrap_or_default();
    let is_builtin = matches!(module, "builtins" | "__builtin__" | "__builtins__");
    // A name with a dot reaches into an object: `Class.__init__.__globals__`.
    let reaches = module.split('.').chain([name]).any(|part| part.starts_with("__") && !is_constructor(part));
    DANGEROUS_MODULES.contains(&top)
        || (is_builtin && !SAFE_BUILTINS.contains(&name))
        || (!is_builtin && reaches && module != "__main__")
        || matches!((module, name), ("torch.storage", "_load_from_bytes") | ("torch", "load") | ("torch.hub", _))
        || matches!((module, name), ("numpy", "load" | "fromfile" | "memmap") | ("pandas", "read_pickle" | "eval"))
        || matches!(
            (module, name),
            ("joblib", "load") | ("joblib.numpy_pickle", "load") | ("functools", "partial" | "reduce")
        )
}

/// Names with two underscores that only make values.
fn is_constructor(name: &str) -> bool {
    name.starts_with("__pyx_unpickle_") || name.ends_with("_ctor")
}

fn is_safe(module: &str, name: &str) -> bool {
    let global = format!("{module}.{name}");
    let begins_large = name.trim_start_matches('_').starts_with(|first: char| first.is_ascii_uppercase());
    let is_below =
        |package: &str| module.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if SAFE.contains(&global.as_str()) {
        return true;
    }
    match module {
        "builtins" | "__builtin__" => SAFE_BUILTINS.contains(&name),
        "numpy" => is_scalar(name) || OF_ARRAYS.contains(&name),
        "torch" => {
            name.ends_with("Storage") || is_scalar(name) || matches!(name, "bfloat16" | "half" | "float" | "long")
        }
        "torch.storage" => matches!(name, "TypedStorage" | "UntypedStorage"),
        // Some others open files when they are made.
        "pandas" => {
            name.ends_with("Index")
                || name.ends_with("Dtype")
                || matches!(name, "Timestamp" | "Timedelta" | "Interval" | "Period")
                || matches!(name, "Categorical" | "DataFrame" | "Series")
        }
        "pandas.arrays" => name.ends_with("Array"),
        // Estimators and what they consist of are classes, or are made by Cython's constructors.
        _ if is_below("sklearn.datasets") || is_below("sklearn.externals") => false,
        _ if is_below("sklearn") => begins_large || name.starts_with("__pyx_unpickle_") || name == "newObj",
        _ if is_below("torch.nn.modules") => begins_large,
        _ if is_below("scipy.sparse") => {
            matches!(
                name.trim_end_matches("_matrix").trim_end_matches("_array"),
                "csr" | "csc" | "coo" | "bsr" | "dia" | "lil" | "dok"
            )
        }
        _ if is_below("pandas.core.indexes") || is_below("pandas.core.arrays") || is_below("pandas.core.dtypes") => {
            begins_large
        }
        "pandas.core.frame" => name == "DataFrame",
        "pandas.core.series" => name == "Series",
        "xgboost.sklearn" | "lightgbm.sklearn" | "catboost.core" => begins_large,
        "xgboost.core" | "lightgbm.basic" => name == "Booster",
        _ => false,
    }
}

/// The scalar types of NumPy and the element types of PyTorch.
fn is_scalar(name: &str) -> bool {
    let stem = name.trim_end_matches(|last: char| last.is_ascii_digit());
    let digits = &name[stem.len()..];
    matches!(stem, "int" | "uint" | "float" | "complex") && matches!(digits, "8" | "16" | "32" | "64" | "128")
        || matches!(name, "bool" | "bool_" | "str_" | "bytes_" | "datetime64" | "timedelta64" | "longdouble" | "intp")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(global: &str, allow: &[&str]) -> Known {
        let allow = allow.iter().map(|pattern| (*pattern).to_owned()).collect();
        Known::of(global, &Pickles { allow, only_warn: false })
    }

    #[test]
    fn what_models_need_is_safe_and_what_runs_programs_is_not() {
        for safe in [
            "sklearn.ensemble._forest.RandomForestClassifier",
            "sklearn.tree._tree.Tree",
            "sklearn._loss._loss.__pyx_unpickle_CyHalfBinomialLoss",
            "numpy.random._pickle.__randomstate_ctor",
            "numpy.float64",
            "torch.FloatStorage",
            "torch.nn.modules.linear.Linear",
            "builtins.set",
            "scipy.sparse._csr.csr_matrix",
            "scipy.interpolate._bsplines.BSpline",
            "numpy.ma.MaskedArray",
            "numpy.log1p",
            "pandas.DataFrame",
            "pandas.RangeIndex",
            "pandas.arrays.StringArray",
        ] {
            assert_eq!(of(safe, &[]), Known::Safe, "{safe}");
        }
        for dangerous in [
            "os.system",
            "posix.system",
            "subprocess.Popen",
            "builtins.eval",
            "__builtin__.exec",
            "builtins.getattr",
            "importlib.import_module",
            "sklearn.base.BaseEstimator.__init__.__globals__",
            "torch.storage._load_from_bytes",
            "operator.attrgetter",
            "os.path.join",
        ] {
            assert_eq!(of(dangerous, &["*", "os.*", "builtins.*"]), Known::Dangerous, "{dangerous}");
        }
        for unknown in
            ["churn.features.Scaler", "sklearn.datasets._base.Bunch", "sklearn.utils.fixes.parse", "osx.system"]
                .into_iter()
                // These open files, or make code out of what they are given.
                .chain([
                    "pandas.HDFStore",
                    "pandas.ExcelFile",
                    "numpy.savetxt",
                    "scipy.stats._distn_infrastructure.rv_frozen",
                ])
        {
            assert_eq!(of(unknown, &[]), Known::Unknown, "{unknown}");
        }
    }

    #[test]
    fn users_allow_a_name_or_a_package_and_a_danger_only_by_its_name() {
        assert_eq!(of("churn.features.Scaler", &["churn.*"]), Known::Safe);
        assert_eq!(of("churn.features.Scaler", &["churn.features.Scaler"]), Known::Safe);
        assert_eq!(of("churned.Scaler", &["churn.*"]), Known::Unknown);
        assert_eq!(of("churn.Scaler", &["*"]), Known::Unknown);
        assert_eq!(of("functools.partial", &["functools.*"]), Known::Dangerous);
        assert_eq!(of("functools.partial", &["functools.partial"]), Known::Safe);
    }
}
