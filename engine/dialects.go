package engine

// Dialects returns those of the servers that need nothing but data, in alphabetical order, and last the
// one that stands behind others.
func Dialects() []Dialect {
	return []Dialect{LlamaCPP(), LMDeploy(), NIM(), SGLang(), TensorRTLLM(), TGI(), TorchServe(), Dynamo()}
}
