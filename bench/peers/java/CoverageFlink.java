import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.configuration.StateRecoveryOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/**
 * Flink DataStream as a cluster in one JVM: state on the heap, keyed by enterprise, then by cell; exactly-once checkpoints in a folder.
 *
 * <p>A program that is started again with the same folder goes on from its last checkpoint. The sink is at-least-once and writes whole sums by
 * key, so that a second write changes nothing.
 */
public final class CoverageFlink {
    static final TypeInformation<long[]> FIGURES = PrimitiveArrayTypeInfo.LONG_PRIMITIVE_ARRAY_TYPE_INFO;
    /** A record: the enterprise, and the event as bytes. */
    static final TypeInformation<Tuple2<String, byte[]>> RECORD = Types.TUPLE(Types.STRING, PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);
    /** A change of a cell, or a cell: its name, and figures as those of an enterprise. */
    static final TypeInformation<Tuple2<String, long[]>> CELL = Types.TUPLE(Types.STRING, FIGURES);
    private static final Duration CHECKPOINT_EVERY = Duration.ofSeconds(2);

    private CoverageFlink() {
    }

    public static void main(String[] arguments) throws Exception {
        JsonNode job = new ObjectMapper().readTree(arguments[0]);
        Passes.run(job, run -> started(job, run));
    }

    private static AutoCloseable started(JsonNode job, String run) throws Exception {
        Path checkpoints = Files.createDirectories(Path.of(job.get("folder").asText(), run));
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.createLocalEnvironment(job.get("workers").asInt(), settings(checkpoints, job.get("workers").asInt()));
        topology(environment, job);
        JobClient client = environment.executeAsync(run);
        client.getJobExecutionResult().whenComplete((result, error) -> {
            if (error != null && !cancelled(error)) {
                error.printStackTrace();
                Runtime.getRuntime().halt(1);
            }
        });
        return () -> {
            client.cancel().get();
            client.getJobExecutionResult().exceptionally(error -> null).get();
        };
    }

    private static Configuration settings(Path checkpoints, int slots) throws IOException {
        Configuration settings = new Configuration();
        settings.set(TaskManagerOptions.NUM_TASK_SLOTS, slots);
        settings.set(StateBackendOptions.STATE_BACKEND, "hashmap");
        settings.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, CHECKPOINT_EVERY);
        settings.set(CheckpointingOptions.CHECKPOINTING_CONSISTENCY_MODE, CheckpointingMode.EXACTLY_ONCE);
        settings.set(CheckpointingOptions.CHECKPOINT_STORAGE, "filesystem");
        settings.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, checkpoints.toUri().toString());
        // While the last is found, it must not be removed.
        settings.set(CheckpointingOptions.MAX_RETAINED_CHECKPOINTS, 2);
        settings.set(RestartStrategyOptions.RESTART_STRATEGY, "none");
        settings.set(PipelineOptions.OBJECT_REUSE, true);
        settings.set(PipelineOptions.GENERIC_TYPES, false);
        last(checkpoints).ifPresent(path -> settings.set(StateRecoveryOptions.SAVEPOINT_PATH, path.toUri().toString()));
        return settings;
    }

    /** The folder of the last complete checkpoint: its metadata are renamed to their place when all of it is written. */
    private static Optional<Path> last(Path checkpoints) throws IOException {
        try (Stream<Path> found = Files.walk(checkpoints)) {
            return found.filter(path -> path.endsWith("_metadata")).max(Comparator.comparing(CoverageFlink::writtenAt)).map(Path::getParent);
        }
    }

    private static java.nio.file.attribute.FileTime writtenAt(Path path) {
        try {
            return Files.getLastModifiedTime(path);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static boolean cancelled(Throwable error) {
        return Stream.iterate(error, one -> one != null, Throwable::getCause)
                .anyMatch(one -> one instanceof org.apache.flink.runtime.client.JobCancellationException);
    }

    private static void topology(StreamExecutionEnvironment environment, JsonNode job) {
        List<String> topics = new ArrayList<>();
        job.get("ends").fieldNames().forEachRemaining(topics::add);
        KafkaSource<Tuple2<String, byte[]>> source = KafkaSource.<Tuple2<String, byte[]>>builder()
                .setBootstrapServers(job.get("bootstrap").asText())
                .setTopics(topics)
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setDeserializer(new FlinkStages.Records())
                .setProperty("partition.discovery.interval.ms", "-1")
                .setProperty("max.poll.records", "20000")
                .build();
        environment.fromSource(source, WatermarkStrategy.noWatermarks(), "records", RECORD).uid("records")
                .keyBy(record -> record.f0, Types.STRING)
                .process(new FlinkStages.Enterprises(), CELL).uid("enterprises")
                .keyBy(change -> change.f0, Types.STRING)
                .map(new FlinkStages.Cells(), CELL).uid("cells")
                .sinkTo(new FlinkTable(job.get("jdbc").asText())).uid("table");
    }
}
