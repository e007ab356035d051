import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** The state of one enterprise. {@code cell} is null until it is registered. {@code figures}: units, covered units, workers, members. */
final class Enterprise {
    String cell;
    final long[] figures = new long[4];
    long seenInRegistry;
    long seenInMembership;
    long reportedOn = Long.MIN_VALUE;
    long reportedRank;

    /** Applies a fact; a second publication changes nothing. Returns whether it was new. */
    boolean apply(Fact fact) {
        if (fact.sequence <= (fact.registry ? seenInRegistry : seenInMembership)) {
            return false;
        }
        if (fact.registry) {
            seenInRegistry = fact.sequence;
        } else {
            seenInMembership = fact.sequence;
        }
        switch (fact.type) {
            case "parkunion.member-joined.v1" -> figures[3]++;
            case "parkunion.member-left.v1" -> figures[3]--;
            case "parkunion.coverage-started.v1" -> figures[1] = 1;
            case "parkunion.enterprise-registered.v1" -> {
                figures[0] = 1;
                cell = fact.park + "|" + fact.industry;
            }
            case "parkunion.headcount-reported.v1" -> {
                if (fact.day > reportedOn || fact.day == reportedOn && fact.sequence > reportedRank) {
                    reportedOn = fact.day;
                    reportedRank = fact.sequence;
                    figures[2] = fact.workers;
                }
            }
            default -> { }
        }
        return true;
    }

    byte[] write() {
        byte[] name = cell == null ? new byte[0] : cell.getBytes(StandardCharsets.UTF_8);
        ByteBuffer buffer = ByteBuffer.allocate(64 + name.length);
        for (long figure : figures) {
            buffer.putLong(figure);
        }
        return buffer.putLong(seenInRegistry).putLong(seenInMembership).putLong(reportedOn).putLong(reportedRank).put(name).array();
    }

    static Enterprise read(byte[] bytes) {
        Enterprise found = new Enterprise();
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        for (int index = 0; index < found.figures.length; index++) {
            found.figures[index] = buffer.getLong();
        }
        found.seenInRegistry = buffer.getLong();
        found.seenInMembership = buffer.getLong();
        found.reportedOn = buffer.getLong();
        found.reportedRank = buffer.getLong();
        if (buffer.hasRemaining()) {
            found.cell = new String(bytes, buffer.position(), buffer.remaining(), StandardCharsets.UTF_8);
        }
        return found;
    }

    static byte[] writeSums(long[] sums) {
        ByteBuffer buffer = ByteBuffer.allocate(8 * sums.length);
        for (long sum : sums) {
            buffer.putLong(sum);
        }
        return buffer.array();
    }

    static long[] readSums(byte[] bytes) {
        long[] sums = new long[bytes.length / 8];
        ByteBuffer.wrap(bytes).asLongBuffer().get(sums);
        return sums;
    }
}
