// Writes the records that the Collector's Kafka exporter would: both encodings of one batch.
package main

import (
	"os"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"
)

func batch() ptrace.Traces {
	traces := ptrace.NewTraces()
	resource := traces.ResourceSpans().AppendEmpty()
	resource.Resource().Attributes().PutStr("service.name", "desk")
	spans := resource.ScopeSpans().AppendEmpty().Spans()
	trace := pcommon.TraceID{0x5b, 0x8e, 0xff, 0xf7, 0x98, 0x03, 0x81, 0x03, 0xd2, 0x69, 0xb6, 0x33, 0x81, 0x3f, 0xc6, 0x0c}
	outer := pcommon.SpanID{0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, 0x74}
	inner := pcommon.SpanID{0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, 0x73}

	tool := spans.AppendEmpty()
	tool.SetTraceID(trace)
	tool.SetSpanID(inner)
	tool.SetParentSpanID(outer)
	tool.SetName("execute_tool search")
	tool.SetStartTimestamp(1760000001000000000)
	tool.SetEndTimestamp(1760000002000000000)
	tool.Attributes().PutStr("gen_ai.operation.name", "execute_tool")
	tool.Attributes().PutStr("gen_ai.tool.name", "search")
	tool.Attributes().PutStr("error.type", "timeout")
	tool.Status().SetCode(ptrace.StatusCodeError)
	tool.Status().SetMessage("what was said")

	agent := spans.AppendEmpty()
	agent.SetTraceID(trace)
	agent.SetSpanID(outer)
	agent.SetName("invoke_agent router")
	agent.SetStartTimestamp(1760000000000000000)
	agent.SetEndTimestamp(1760000002500000000)
	agent.Attributes().PutStr("gen_ai.operation.name", "invoke_agent")
	agent.Attributes().PutStr("gen_ai.agent.name", "router")
	agent.Attributes().PutInt("gen_ai.usage.input_tokens", 100)
	agent.Attributes().PutDouble("gen_ai.request.temperature", 0.5)
	agent.Attributes().PutEmptySlice("gen_ai.response.finish_reasons").AppendEmpty().SetStr("stop")
	agent.Attributes().PutStr("gen_ai.input.messages", "what was said")
	agent.Events().AppendEmpty().SetName("an event")

	http := spans.AppendEmpty()
	http.SetTraceID(trace)
	http.SetSpanID(pcommon.SpanID{1})
	http.SetName("GET /")
	return traces
}

func write(name string, bytes []byte, err error) {
	if err == nil {
		err = os.WriteFile(name, bytes, 0o644)
	}
	if err != nil {
		panic(err)
	}
}

func main() {
	proto, err := (&ptrace.ProtoMarshaler{}).MarshalTraces(batch())
	write("otlp_proto.bin", proto, err)
	text, err := (&ptrace.JSONMarshaler{}).MarshalTraces(batch())
	write("otlp_json.json", text, err)
}
