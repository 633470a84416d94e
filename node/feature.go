package node

// Feature is something that a device can tell or not, by the call or the batch of calls that asks for it.
type Feature uint8

// The features.
const (
	FeatureMemory Feature = iota
	FeatureUtilization
	FeatureRing
	FeatureActivity
	FeatureFields // one batch; what it holds are features of their own
	FeaturePower
	FeaturePowerLimit
	FeatureEnergy
	FeatureTemperature
	FeatureMemoryTemperature
	FeatureThrottling
	FeaturePCIe
	FeatureNVLink
	FeatureClocks
	FeatureFan
	FeaturePerformanceState
	FeatureEncoder
	FeatureDecoder
	FeatureJPEG
	FeatureOFA
	FeatureECC
	FeatureRemappedRows
	FeatureRetiredPages
	FeaturePCIeLink
	FeatureProcesses
	FeatureMPSProcesses
	FeatureProcessUtilization
	FeatureEvents
	// What calls ask for that no device tells of: the library is opened or shut, and the devices are listed.
	FeatureInit
	FeatureEnumeration
	FeatureCount int = iota
)

// Label of a feature in series.
func (f Feature) Label() string {
	return [FeatureCount]string{
		"memory", "utilization", "ring", "activity", "fields", "power", "power_limit", "energy", "temperature", "memory_temperature",
		"throttling", "pcie", "nvlink", "clocks", "fan", "performance_state", "encoder", "decoder", "jpeg", "ofa", "ecc", "remapped_rows",
		"retired_pages", "pcie_link", "processes", "mps_processes", "process_utilization", "events", "init",
		"enumeration",
	}[f]
}

// Features is a set of features.
type Features uint64

// Has says that a feature is in the set.
func (s Features) Has(f Feature) bool { return s&(1<<f) != 0 }

// With is the set with a feature more.
func (s Features) With(f Feature) Features { return s | 1<<f }

// Labels of the features in the set, in their order.
func (s Features) Labels() []string {
	out := []string{}
	for i := range FeatureCount {
		if f := Feature(i); s.Has(f) {
			out = append(out, f.Label())
		}
	}
	return out
}
