import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.functions.RichMapFunction;
import org.apache.flink.api.common.serialization.DeserializationSchema;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** The stages between the topics and the table. */
final class FlinkStages {
    private FlinkStages() {
    }

    /** A record as it is: it is parsed beyond the exchange, by the worker that has its enterprise. */
    static final class Records implements KafkaRecordDeserializationSchema<Tuple2<String, byte[]>> {
        @Override
        public void open(DeserializationSchema.InitializationContext context) {
            System.out.println("reading");
        }

        @Override
        public void deserialize(ConsumerRecord<byte[], byte[]> record, Collector<Tuple2<String, byte[]>> out) {
            out.collect(Tuple2.of(new String(record.key(), StandardCharsets.UTF_8), record.value()));
        }

        @Override
        public TypeInformation<Tuple2<String, byte[]>> getProducedType() {
            return CoverageFlink.RECORD;
        }
    }

    /** Keeps an enterprise; emits what an event changes in the sums of its cell. */
    static final class Enterprises extends KeyedProcessFunction<String, Tuple2<String, byte[]>, Tuple2<String, long[]>> {
        private transient ValueState<Enterprise> state;

        @Override
        public void open(OpenContext context) {
            state = getRuntimeContext().getState(new ValueStateDescriptor<>("enterprise", EnterpriseSerializer.INSTANCE));
        }

        @Override
        public void processElement(Tuple2<String, byte[]> record, Context context, Collector<Tuple2<String, long[]>> out) throws Exception {
            Enterprise own = state.value();
            if (own == null) {
                own = new Enterprise();
            }
            // Changing it is safe: a checkpoint that is being written has a copy.
            long[] before = own.cell == null ? new long[own.figures.length] : own.figures.clone();
            if (!own.apply(Fact.read(record.f1))) {
                return;
            }
            state.update(own);
            long net = 0;
            for (int index = 0; index < before.length; index++) {
                before[index] = own.figures[index] - before[index];
                net |= before[index];
            }
            if (own.cell != null && net != 0) {
                out.collect(Tuple2.of(own.cell, before));
            }
        }
    }

    /** Adds up a cell; emits its sums. */
    static final class Cells extends RichMapFunction<Tuple2<String, long[]>, Tuple2<String, long[]>> {
        private transient ValueState<long[]> state;

        @Override
        public void open(OpenContext context) {
            state = getRuntimeContext().getState(new ValueStateDescriptor<>("sums", CoverageFlink.FIGURES));
        }

        @Override
        public Tuple2<String, long[]> map(Tuple2<String, long[]> change) throws Exception {
            long[] sums = state.value();
            sums = sums == null ? new long[change.f1.length] : sums.clone();
            for (int index = 0; index < sums.length; index++) {
                sums[index] += change.f1[index];
            }
            state.update(sums);
            return Tuple2.of(change.f0, sums);
        }
    }
}
