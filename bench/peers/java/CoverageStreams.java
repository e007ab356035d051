import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams, exactly_once_v2: enterprises as a table, regrouped by cell, added up, and written to PostgreSQL.
 *
 * <p>Stores are in memory, with changelogs; caches keep all changes until a commit. The sink is at-least-once and writes whole sums by key
 * before the transaction commits, so that a second write changes nothing.
 */
public final class CoverageStreams {
    private CoverageStreams() {
    }

    public static void main(String[] arguments) throws Exception {
        JsonNode job = new ObjectMapper().readTree(arguments[0]);
        Passes.run(job, run -> started(job, run));
    }

    private static AutoCloseable started(JsonNode job, String run) throws Exception {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, run);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, job.get("bootstrap").asText());
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, job.get("folder").asText() + "/streams-" + job.get("worker").asInt());
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 2000);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 256L << 20);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 20_000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), 6000);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.HEARTBEAT_INTERVAL_MS_CONFIG), 1000);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 50);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 400_000);
        List<String> topics = new ArrayList<>();
        job.get("ends").fieldNames().forEachRemaining(topics::add);

        CoverageTable table = new CoverageTable(job.get("jdbc").asText());
        KafkaStreams streams = new KafkaStreams(topology(topics, table).build(), settings);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.RUNNING) {
                System.out.println("reading");
            }
        });
        streams.start();
        return () -> {
            streams.close();
            table.close();
        };
    }

    private static StreamsBuilder topology(List<String> topics, CoverageTable table) {
        Serde<Enterprise> enterprise = Serdes.serdeFrom((topic, one) -> one == null ? null : one.write(), (topic, bytes) -> bytes == null ? null : Enterprise.read(bytes));
        Serde<long[]> sums = Serdes.serdeFrom((topic, one) -> one == null ? null : Enterprise.writeSums(one), (topic, bytes) -> bytes == null ? null : Enterprise.readSums(bytes));
        StreamsBuilder builder = new StreamsBuilder();
        KTable<String, Enterprise> enterprises = builder
                .stream(topics, Consumed.with(Serdes.String(), Serdes.ByteArray()))
                .groupByKey(Grouped.with(Serdes.String(), Serdes.ByteArray()))
                .aggregate(
                        Enterprise::new,
                        (key, value, own) -> {
                            // Changing it is safe: the cache holds bytes, and each read makes a new object.
                            own.apply(Fact.read(value));
                            return own;
                        },
                        Materialized.<String, Enterprise>as(Stores.inMemoryKeyValueStore("enterprises"))
                                .withKeySerde(Serdes.String()).withValueSerde(enterprise).withCachingEnabled());
        enterprises
                .filter((key, own) -> own.cell != null)
                .groupBy((key, own) -> KeyValue.pair(own.cell, own.figures), Grouped.with("changes", Serdes.String(), sums))
                .aggregate(
                        () -> new long[4],
                        (cell, figures, all) -> added(all, figures, 1),
                        (cell, figures, all) -> added(all, figures, -1),
                        Materialized.<String, long[]>as(Stores.inMemoryKeyValueStore("cells"))
                                .withKeySerde(Serdes.String()).withValueSerde(sums).withCachingEnabled())
                .toStream()
                .foreach((cell, all) -> written(table, cell, all));
        return builder;
    }

    private static long[] added(long[] all, long[] figures, long sign) {
        long[] next = all.clone();
        for (int index = 0; index < next.length; index++) {
            next[index] += sign * figures[index];
        }
        return next;
    }

    private static synchronized void written(CoverageTable table, String cell, long[] sums) {
        try {
            table.put(cell, sums);
            table.write();
        } catch (SQLException error) {
            throw new IllegalStateException(error);
        }
    }
}
